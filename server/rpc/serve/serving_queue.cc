#include "rpc/serve/serving_queue.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <iterator>
#include <system_error>
#include <utility>

#include "base/start_thread.h"

namespace tensorferry::rpc {
namespace {

// A queue that always has something to do counts as idle after this many events, so that work that waits for idleness
// is not forgotten.
constexpr int kEventsUntilIdle = 64;

// How long a relief thread waits for an event before it looks whether it is still needed.
constexpr std::chrono::milliseconds kReliefWait{50};
constexpr std::size_t kMaxReliefWorkers = 16;

// A thread that uses at least kLeastBusy of processor time between two looks at it does not sleep, however many others
// want the processor, and once it has used kBusy inside one wait, it is stuck. A thread that only waits uses far less.
constexpr std::chrono::milliseconds kBusy = ServingQueue::kWatchInterval / 2;
constexpr std::chrono::milliseconds kLeastBusy = ServingQueue::kWatchInterval / 10;

// Returns the processor time that a thread has used so far; 0 if that cannot be told.
std::chrono::nanoseconds ProcessorTime(std::thread& thread) {
  clockid_t clock{};
  timespec time{};
  if (!thread.joinable() || pthread_getcpuclockid(thread.native_handle(), &clock) != 0 ||
      clock_gettime(clock, &time) != 0) {
    return std::chrono::nanoseconds(0);
  }
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

thread_local ServingQueue* ServingQueue::current_ = nullptr;

void ServingQueue::MakeThreads(int threads) {
  while (std::ssize(workers_) < threads) {
    Worker& worker = workers_.emplace_back();
    try {
      worker.thread = StartThread("serving calls", [this, &worker] {
        serving_.wait(false);
        Serve(worker);
      });
    } catch (const NoThread&) {
      workers_.pop_back();
      throw;
    }
  }
}

void ServingQueue::Start(int threads) {
  MakeThreads(threads);
  LetServe();
}

void ServingQueue::LetServe() {
  serving_ = true;
  serving_.notify_all();
}

void ServingQueue::Stop() {
  LetServe();
  queue_->Shutdown();
  if (workers_.empty()) Serve(workers_.emplace_back());  // gRPC wants the queue drained before it is destroyed.
  for (std::list<Worker>* const workers : {&workers_, &relief_workers_}) {
    for (Worker& worker : *workers) {
      if (worker.thread.joinable()) worker.thread.join();
    }
    workers->clear();
  }
}

void ServingQueue::Serve(Worker& worker) {
  for (int events = 0; ServeOne(worker, gpr_inf_future(GPR_CLOCK_REALTIME), events);) continue;
}

void ServingQueue::Relieve(Worker& worker) {
  int events = 0;
  // What its last event has left waiting for idleness is its to tell: the other threads may have begun to wait for
  // events before, and learn nothing of it.
  while ((stalled_ || WaitsForIdle()) && ServeOne(worker, std::chrono::system_clock::now() + kReliefWait, events)) {
    continue;
  }
  worker.ended = true;
}

// Handles the next event. At `idle_at` it handles idleness, or at once if something waits for idleness. Returns false
// if the queue was shut down.
template <typename Time>
bool ServingQueue::ServeOne(Worker& worker, const Time& idle_at, int& events) {
  using Status = grpc::CompletionQueue::NextStatus;
  current_ = this;
  void* tag = nullptr;
  bool ok = false;
  const Status status = WaitsForIdle() ? queue_->AsyncNext(&tag, &ok, gpr_inf_past(GPR_CLOCK_REALTIME))
                                       : queue_->AsyncNext(&tag, &ok, idle_at);
  if (status == Status::SHUTDOWN) {
    WorkWhileIdle();
    return false;
  }
  worker.Step();
  if (status == Status::GOT_EVENT) {
    static_cast<Tag*>(tag)->GetBack();
    static_cast<Tag*>(tag)->Complete(ok);
    ++events;
  }
  if (status == Status::TIMEOUT || events >= kEventsUntilIdle) {
    events = 0;
    TellIdle();
  }
  worker.Step();
  return true;
}

void ServingQueue::Worker::Step() { step.store(step.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); }

bool ServingQueue::Worker::IsStuck() {
  const std::uint64_t last = std::exchange(seen, step.load(std::memory_order_relaxed));
  const bool same = seen == last;
  return seen % 2 == 1 ? same : IsBusyWaiting(same);
}

// gRPC parses, writes and logs for all connections inside AsyncNext. A peer can keep it there, busy, for minutes.
// `same_wait` says that the thread is inside the same AsyncNext as at the last call.
bool ServingQueue::Worker::IsBusyWaiting(bool same_wait) {
  const std::chrono::nanoseconds last = std::exchange(seen_used, ProcessorTime(thread));
  const std::chrono::nanoseconds used = seen_used - last;
  busy_waiting = same_wait && used >= kLeastBusy ? busy_waiting + used : std::chrono::nanoseconds(0);
  return busy_waiting >= kBusy;
}

void ServingQueue::RelieveIfStalled() {
  std::erase_if(relief_workers_, [](Worker& worker) {
    if (!worker.ended) return false;  // It may end at any time, and must be joined before it is erased.
    worker.thread.join();
    return true;
  });
  const auto count_stuck = [](std::list<Worker>& workers) { return std::ranges::count_if(workers, &Worker::IsStuck); };
  const auto stuck = count_stuck(workers_);
  // A thread that is stuck may have left something waiting for idleness before. Others that sleep do not know of it.
  stalled_ = stuck == std::ssize(workers_) || (stuck > 0 && WaitsForIdle());
  if (!stalled_ || relief_workers_.size() >= kMaxReliefWorkers) return;
  if (count_stuck(relief_workers_) < std::ssize(relief_workers_)) return;
  Worker& worker = relief_workers_.emplace_back();
  try {
    worker.thread = std::thread([this, &worker] { Relieve(worker); });
  } catch (const std::system_error&) {  // The system has no more threads, so the stall lasts.
    relief_workers_.pop_back();
  }
}

bool ServingQueue::WaitsForIdle() {
  const std::lock_guard lock(mutex_);
  return !waiting_.empty() || !idle_work_.empty();
}

void ServingQueue::WhenIdle(std::function<bool()> work) {
  const std::lock_guard lock(mutex_);
  idle_work_.push_back(std::move(work));
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
    // An entry of waiting_ lives in the frame of its coroutine, which takes the lock before it goes on. So the entry
    // exists while the lock is held.
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
