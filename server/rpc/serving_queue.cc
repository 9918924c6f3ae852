#include "rpc/serving_queue.h"

#include <chrono>
#include <utility>

namespace tensorferry::rpc {
namespace {

// A queue that always has something to do counts as idle after so many events: nobody waits longer for idleness.
constexpr int kPatience = 64;

}  // namespace

thread_local const ServingQueue* ServingQueue::current_ = nullptr;

void ServingQueue::Start(int threads) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Serve(); });
}

void ServingQueue::Stop() {
  queue_->Shutdown();
  if (threads_.empty()) Serve();  // The queue must be drained.
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void ServingQueue::Serve() {
  using Status = grpc::CompletionQueue::NextStatus;
  current_ = this;
  void* tag = nullptr;
  bool ok = false;
  for (int events = 0;;) {
    const auto deadline = WaitsForIdle() ? gpr_inf_past(GPR_CLOCK_REALTIME) : gpr_inf_future(GPR_CLOCK_REALTIME);
    switch (queue_->AsyncNext(&tag, &ok, deadline)) {
      case Status::GOT_EVENT:
        static_cast<Tag*>(tag)->Complete(ok);
        if (++events < kPatience) break;
        [[fallthrough]];
      case Status::TIMEOUT:
        events = 0;
        TellIdle();
        break;
      case Status::SHUTDOWN: return WorkWhileIdle();
    }
  }
}

bool ServingQueue::WaitsForIdle() {
  const std::lock_guard lock(mutex_);
  return !waiting_.empty() || !idle_work_.empty();
}

void ServingQueue::WhenIdle(std::function<bool()> work) {
  if (current_ == this) {
    const std::lock_guard lock(mutex_);
    idle_work_.push_back(std::move(work));
    return;
  }
  while (work()) continue;
}

void ServingQueue::WorkWhileIdle() {
  std::vector<std::function<bool()>> works;
  {
    const std::lock_guard lock(mutex_);
    works.swap(idle_work_);
  }
  for (std::function<bool()>& work : works) {
    if (work()) WhenIdle(std::move(work));
  }
}

void ServingQueue::TellIdle() {
  WorkWhileIdle();
  std::vector<std::coroutine_handle<>> idle;
  {
    // Under the lock, so that none of them goes on, and away, while it is looked at.
    const std::lock_guard lock(mutex_);
    for (CompletionOrIdle* const waiting : waiting_) {
      waiting->waiting_ = false;
      if (waiting->operation_.Abandon(waiting->coroutine_)) idle.push_back(waiting->coroutine_);
    }
    waiting_.clear();
  }
  for (const std::coroutine_handle<> coroutine : idle) coroutine.resume();
}

bool ServingQueue::CompletionOrIdle::await_suspend(std::coroutine_handle<> coroutine) {
  const std::lock_guard lock(queue_.mutex_);
  coroutine_ = coroutine;
  if (!operation_.Await(coroutine)) return false;
  waiting_ = true;
  queue_.waiting_.push_back(this);
  return true;
}

bool ServingQueue::CompletionOrIdle::await_resume() {
  if (coroutine_) {
    const std::lock_guard lock(queue_.mutex_);
    if (std::exchange(waiting_, false)) std::erase(queue_.waiting_, this);
  }
  return operation_.complete();
}

}  // namespace tensorferry::rpc
