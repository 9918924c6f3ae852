#include "rpc/call/stream_serving.h"

#include <fmt/format.h>

#include "base/status.h"
#include "rpc/serve/error.h"

namespace tensorferry::rpc {

void StreamServer::Read() {
  reading_ = true;
  call_.Read(message_);
}

void StreamServer::OnSilence() {
  if (waits_.was_in_the_way()) {
    status_ =
        MakeError(Reason::kMemoryBudget,
                  fmt::format("nothing came for {} ms in the middle of a request, while this peer holds more than its "
                              "share of the server's memory budget and others wait",
                              WaitLimit::kInTheWay.count()),
                  {.retry_after = WaitLimit::kInTheWay});
    return;
  }
  status_ = MakeError(Reason::kDeadline, fmt::format("nothing came for {} ms in the middle of a request",
                                                     resources_.waits.limit().count()));
}

void StreamServer::TakeIn() {
  reading_ = false;
  Owe(protocol_.Take());
}

void StreamServer::GoOn() {
  if (must_go_on()) Owe(protocol_.GoOn());
}

void StreamServer::Owe(absl::StatusOr<StreamProtocol::Owed> owed) {
  status_ = owed.status();
  owed_ = owed.ok() ? *std::move(owed) : StreamProtocol::Owed();
  if (owed_.run) owed_.run->Submit();
}

bool StreamServer::MustHandOver() const {
  const bool others_wait = responses_ && !responses_->empty();
  if (owed_.run) return !owed_.run->finished().complete() || others_wait;
  return owed_.response && others_wait;
}

void StreamServer::HandOver() {
  if (!responses_) {
    responses_.emplace(PoolFor(resources_.pool, &call_));
    sent_.Start();
    SendQueued();
  }
  if (owed_.run) {
    responses_->Push({.run = std::move(owed_.run)});
  } else {
    responses_->Push({.response = protocol_.TakeResponse()});
  }
}

void StreamServer::Respond() {
  if (!status_.ok()) return;
  ended_by_queue_ = responses_ && responses_->stream_ended();
  if (ended_by_queue_) return;
  Read();
  if (owed_.run) {
    response_ = owed_.run->TakeResponse(writer_);
    owed_.run.reset();
  } else if (owed_.response) {
    response_ = protocol_.TakeResponse();
  }
}

bool StreamServer::MustWriteHeld() {
  while (response_) {
    if (!next_) next_ = response_->Next();
    if (!next_) {
      status_ = response_->end();
      status_is_of_request_ = !status_.ok();
      if (status_.ok()) sending_ = response_->TakeSending();  // Else held_ belongs to the response before.
      response_.reset();
    } else if (held_) {
      return true;
    } else {
      held_ = std::exchange(next_, std::nullopt);
    }
  }
  return false;
}

WaitLimit::Member::UntilCancelled StreamServer::WriteHeld(bool more_follows) {
  call_.Write(held_->bytes(), more_follows);
  return waits_.OrCancel(call_.written, call_);
}

void StreamServer::OnWritten(bool ok) {
  held_.reset();
  sending_.Finish(ok);
  caller_reads_ = ok;
  if (ok) return;
  next_.reset();
  response_.reset();
}

bool StreamServer::CloseQueue() {
  if (responses_) responses_->Close();
  return responses_.has_value();
}

bool StreamServer::MustFinish() const { return !responses_ || !responses_->stream_ended(); }

Operation::Wait StreamServer::Finish() {
  if (caller_reads_ && status_is_of_request_) return call_.Finish(ToGrpcStatus(status_));
  return call_.Finish(protocol_.FinalStatus(EndStatus()));
}

absl::Status StreamServer::EndStatus() const {
  if (!caller_reads_) return MakeError(Reason::kCancelled, "the caller is gone");
  TENSORFERRY_RETURN_IF_ERROR(status_);
  TENSORFERRY_RETURN_IF_ERROR(call_.CheckCaller());
  return protocol_.OnEnd();
}

// Sends the responses in the queue in their order, each as soon as it is there, until the queue is closed and empty.
Detached StreamServer::SendQueued() {
  WireWriter writer;
  WaitLimit::Member waits(resources_.waits, &call_);
  bool caller_reads = true;
  while (!responses_->at_end()) {
    ResponseQueue::Entry* const first = responses_->Front();
    if (first == nullptr) {
      co_await responses_->pushed().Sleep();
      continue;
    }
    if (first->run) {
      co_await first->run->finished();
      if (first->run->is_long_to_answer()) co_await resources_.copiers.Enter();
      first->response = first->run->TakeResponse(writer);
      first->run.reset();  // What the caller is slow to read keeps nothing but itself.
    }
    std::optional<OutgoingMessage> message = first->response->Next();
    while (message && caller_reads) {
      std::optional<OutgoingMessage> next = first->response->Next();
      call_.Write(message->bytes(), /*more_follows=*/next || responses_->NextIsReady());
      caller_reads = co_await waits.OrCancel(call_.written, call_);
      message = std::move(next);
    }
    if (first->response->end().ok()) first->response->TakeSending().Finish(caller_reads);
    if (caller_reads && !first->response->end().ok()) {
      caller_reads = false;
      responses_->NoteEnd();
      const grpc::Status end = ToGrpcStatus(first->response->end());
      co_await call_.Finish(end);
    }
    responses_->Pop();
  }
  sent_.Complete(true);  // This object may be gone once sent_ is complete.
}

Detached ServeStreams(CallResources resources, CallSlots& slots, std::unique_ptr<StreamCall> call,
                      std::unique_ptr<StreamProtocol> protocol) {
  CallSlots::Slot slot(slots);
  WaitLimit::Member waits(resources.waits, call.get());
  do {
    if (!co_await call->NextCall()) co_return;
    slot.Arrived();
    StreamServer stream(resources, *call, *protocol, waits);
    stream.Read();
    while (stream.goes_on()) {
      if (stream.holds_message() && !co_await resources.queue.CompleteOrIdle(call->read)) {
        stream.OnWritten(co_await stream.WriteHeld(/*more_follows=*/false));
        continue;
      }
      if (stream.awaits_rest() && !co_await waits.Within(call->read)) {
        stream.OnSilence();
        break;
      }
      if (!co_await call->read) break;
      if (stream.message_is_long()) co_await resources.copiers.Enter();
      stream.TakeIn();
      if (stream.must_go_on()) co_await resources.copiers.Enter();
      stream.GoOn();
      if (stream.MustHandOver()) {
        if (stream.holds_message()) stream.OnWritten(co_await stream.WriteHeld(/*more_follows=*/false));
        stream.HandOver();
        while (stream.responses().full()) co_await stream.responses().popped().Sleep();
        stream.Read();
      } else {
        if (stream.response_is_long()) co_await resources.copiers.Enter();
        stream.Respond();
        while (stream.MustWriteHeld()) stream.OnWritten(co_await stream.WriteHeld(/*more_follows=*/true));
      }
    }
    if (stream.holds_message()) stream.OnWritten(co_await stream.WriteHeld(/*more_follows=*/false));
    if (stream.CloseQueue()) co_await stream.sent();
    if (stream.MustFinish()) co_await stream.Finish();
    if (stream.reading()) co_await call->read;
    co_await call->done;
  } while (slot.WaitAgain());
}

}  // namespace tensorferry::rpc
