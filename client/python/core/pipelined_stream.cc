#include "pipelined_stream.h"

#include <nanobind/nanobind.h>

#include <algorithm>
#include <new>
#include <utility>

#include "events.h"
#include "gil.h"

namespace tensorferry::core {
namespace {

constexpr std::size_t kMostIncoming = std::size_t{8} << 20;  // Bytes that are read ahead of the caller.
constexpr int kLeftOver = 4;                                 // Events of a socket and of threads that woke each other.

}  // namespace

PipelinedStream::PipelinedStream(std::shared_ptr<Connection> connection, std::optional<double> timeout_s)
    : connection_(std::move(connection)),
      context_(std::make_unique<CallContext>(*connection_, timeout_s)),
      queue_(connection_->queues().Take()),
      changed_(std::make_unique<std::condition_variable>()) {
  thread_ = std::thread(&PipelinedStream::Run, this);  // Where the system has none, nothing has begun.
  Event event;
  PollForEvent(*queue_, event);
  (**context_).set_initial_metadata_corked(true);  // The call begins with the first message: StartCall has no event.
  call_ = connection_->stub().PrepareCall(&**context_, kConvertStream, queue_.get());
  call_->StartCall(nullptr);
  const std::scoped_lock lock(mutex_);
  StartRead();
  changed_->notify_all();
}

PipelinedStream::~PipelinedStream() {
  if (connection_->abandoned()) {  // None of them can be destroyed in a process that was forked.
    static_cast<void>(call_.release());
    static_cast<void>(queue_.release());
    static_cast<void>(context_.release());
    static_cast<void>(changed_.release());
    new std::thread(std::move(thread_));  // It does not run here, and what does not run cannot be detached.
    return;
  }
  {
    const std::scoped_lock lock(mutex_);
    closing_ = true;
  }
  Cancel();
  changed_->notify_all();
  thread_.join();
  if (IsUnderWay()) {  // It is a write: what gRPC still has of the call is left to it.
    static_cast<void>(call_.release());
    static_cast<void>(queue_.release());
    static_cast<void>(context_.release());
    outgoing_.clear();
    TheReleased().Drain();
    return;
  }
  // gRPC handles one event of those that it was told of, and keeps the others. The next call looks once only, and would
  // find one of them in the place of a connection that was closed meanwhile.
  Event event;
  for (int left = 0; left < kLeftOver; ++left) PollForEvent(*queue_, event);
  call_.reset();
  outgoing_.clear();
  connection_->queues().GiveBack(std::move(queue_));
  TheReleased().Drain();  // Python destroys streams, with the GIL.
}

void PipelinedStream::Send(Part part) {
  if (connection_->abandoned()) return;
  {
    const std::scoped_lock lock(mutex_);
    if (ended_) return;
    outgoing_.push_back(std::move(part));
    if (std::exchange(writing_, true)) return;
  }
  WriteNext();
}

void PipelinedStream::EndSending() {
  if (connection_->abandoned()) return;
  {
    const std::scoped_lock lock(mutex_);
    end_wanted_ = true;
    if (std::exchange(writing_, true)) return;
  }
  WriteNext();
}

std::optional<grpc::ByteBuffer> PipelinedStream::Read() {
  if (connection_->abandoned()) return std::nullopt;
  std::unique_lock lock(mutex_);
  while (incoming_.empty() && !over_) {
    if (changed_->wait_for(lock, kSignalPeriod) == std::cv_status::no_timeout) continue;
    lock.unlock();
    CheckSignals();
    lock.lock();
  }
  if (incoming_.empty()) return std::nullopt;
  grpc::ByteBuffer message;
  message.Swap(&incoming_.front());
  incoming_.pop_front();
  incoming_nbytes_ -= message.Length();
  if (under_way_[kRead] || ended_ || incoming_nbytes_ >= kMostIncoming) return message;
  StartRead();
  changed_->notify_all();
  return message;
}

void PipelinedStream::CheckSignals() {
  const WithGil gil;
  if (PyErr_CheckSignals() == 0) return;
  Cancel();
  throw nanobind::python_error();
}

bool PipelinedStream::IsOver() {
  if (connection_->abandoned()) return true;
  const std::scoped_lock lock(mutex_);
  return over_ && incoming_.empty();
}

// Run is what the thread does, until the stream is destroyed and gRPC has let go of it, or of all but its writes.
void PipelinedStream::Run() {
  while (true) {
    bool only_writes = false;
    bool last = false;
    {
      std::unique_lock lock(mutex_);
      changed_->wait(lock, [this] { return closing_ || IsUnderWay(); });
      if (!IsUnderWay()) return;
      only_writes = !under_way_[kRead] && !under_way_[kFinish];
      last = only_writes && closing_;
    }
    Event event;
    if (only_writes && !AwaitWrite(*queue_, event)) {
      if (last) return;
      continue;
    }
    if (!only_writes) queue_->Next(&event.tag, &event.ok);
    Handle(event.tag, event.ok);
  }
}

void PipelinedStream::Handle(void* tag, bool ok) {
  std::unique_lock lock(mutex_);
  *static_cast<bool*>(tag) = false;
  if (tag == &under_way_[kRead]) HandleRead(ok);
  if (tag == &under_way_[kFinish]) over_ = true;
  if (over_ || !incoming_.empty()) changed_->notify_all();
  if (tag != &under_way_[kWrite]) return;
  if (!ok) outgoing_.clear();
  lock.unlock();
  WriteNext();
}

void PipelinedStream::HandleRead(bool ok) {
  if (ok) {
    incoming_nbytes_ += message_.Length();
    incoming_.emplace_back().Swap(&message_);
    if (!closing_ && incoming_nbytes_ < kMostIncoming) StartRead();
    return;
  }
  ended_ = true;
  if (!closing_) call_->Finish(&status_, Begin(kFinish));
}

// WriteNext begins to write the next message, or the end of them. Whoever calls it has set writing_, or was told that
// the last message was written.
void PipelinedStream::WriteNext() {
  std::unique_lock lock(mutex_);
  while (!outgoing_.empty() && !ended_ && !closing_) {
    const std::optional<grpc::ByteBuffer> message = TakeMessage(lock);
    if (!message || ended_ || closing_) continue;
    void* const tag = Begin(kWrite);
    lock.unlock();
    call_->Write(*message, tag);
    changed_->notify_all();
    return;
  }
  outgoing_.clear();
  writing_ = end_wanted_ && !ended_ && !closing_;
  if (!writing_) return;
  call_->WritesDone(Begin(kEndSending));
  changed_->notify_all();
}

// TakeMessage returns the first message to be sent, none if the chunks that come first were all taken. Chunks are cut
// without the lock.
std::optional<grpc::ByteBuffer> PipelinedStream::TakeMessage(std::unique_lock<std::mutex>& lock) {
  std::optional<grpc::ByteBuffer> message;
  if (auto* const whole = std::get_if<grpc::ByteBuffer>(&outgoing_.front())) {
    message.emplace().Swap(whole);
  } else {
    const std::shared_ptr<Chunks> chunks = std::get<std::shared_ptr<Chunks>>(outgoing_.front());
    lock.unlock();
    try {
      message = chunks->NextMessage();
    } catch (const std::bad_alloc&) {
      Cancel();
    }
    lock.lock();
    if (message) return message;
  }
  outgoing_.pop_front();
  return message;
}

void* PipelinedStream::Begin(Operation operation) {
  under_way_[operation] = true;
  return &under_way_[operation];
}

bool PipelinedStream::IsUnderWay() const {
  return std::ranges::any_of(under_way_, [](bool is) { return is; });
}

}  // namespace tensorferry::core
