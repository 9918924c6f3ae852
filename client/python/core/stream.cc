#include "stream.h"

#include <nanobind/nanobind.h>

#include <algorithm>
#include <utility>

#include "events.h"
#include "gil.h"

namespace tensorferry::core {

Stream::Stream(std::shared_ptr<Connection> connection)
    : connection_(std::move(connection)),
      context_(std::make_unique<CallContext>(*connection_, std::nullopt)),
      queue_(connection_->queues().Take()) {
  Event event;
  PollForEvent(*queue_, event);
  (**context_).set_initial_metadata_corked(true);  // The call begins with the first message: StartCall has no event.
  call_ = connection_->stub().PrepareCall(&**context_, kConvertStream, queue_.get());
  call_->StartCall(nullptr);
  StartRead();
}

Stream::~Stream() {
  if (connection_->abandoned()) {  // None of them can be destroyed in a process that was forked.
    static_cast<void>(call_.release());
    static_cast<void>(queue_.release());
    static_cast<void>(context_.release());
    return;
  }
  Cancel();
  Event event;
  while (under_way_[kRead] || under_way_[kFinish]) {
    queue_->Next(&event.tag, &event.ok);
    *static_cast<bool*>(event.tag) = false;
  }
  while (under_way_[kWrite] || under_way_[kEndSending]) {
    if (!AwaitWrite(*queue_, event)) {  // What gRPC still has of the call is left to it.
      static_cast<void>(call_.release());
      static_cast<void>(queue_.release());
      static_cast<void>(context_.release());
      return;
    }
    *static_cast<bool*>(event.tag) = false;
  }
  call_.reset();
  connection_->queues().GiveBack(std::move(queue_));
}

bool Stream::Send(const grpc::ByteBuffer& message) {
  while (under_way_[kWrite] && under_way_[kRead]) Wait();
  if (!under_way_[kRead]) return false;
  call_->Write(message, Begin(kWrite));
  return true;
}

void Stream::EndSending() {
  end_wanted_ = true;
  if (!under_way_[kWrite] && !ended_) call_->WritesDone(Begin(kEndSending));
}

std::optional<grpc::ByteBuffer> Stream::Read() {
  while (under_way_[kRead] || under_way_[kFinish]) Wait();
  if (ended_) return std::nullopt;
  std::optional<grpc::ByteBuffer> message(std::in_place);
  message->Swap(&message_);
  StartRead();
  return message;
}

bool Stream::IsOver() {
  for (Event event; PollForEvent(*queue_, event);) Handle(event.tag, event.ok);
  return ended_;
}

void* Stream::Begin(Operation operation) {
  under_way_[operation] = true;
  return &under_way_[operation];
}

void Stream::Handle(void* tag, bool ok) {
  *static_cast<bool*>(tag) = false;
  if (tag == &under_way_[kWrite] && end_wanted_ && !ended_) call_->WritesDone(Begin(kEndSending));
  if (tag == &under_way_[kRead] && !ok) {
    ended_ = true;
    call_->Finish(&status_, Begin(kFinish));
  }
}

void Stream::Wait() {
  Event event;
  if (WaitForEvent(*queue_, event) == Waited::kEvent) return Handle(event.tag, event.ok);
  Cancel();
  const WithGil gil;
  throw nanobind::python_error();
}

}  // namespace tensorferry::core
