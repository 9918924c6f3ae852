#include "inference/serving/executors.h"

#include <system_error>

namespace tensorferry::inference {

Executors::Executors(std::vector<std::shared_ptr<Model>> engines, std::chrono::milliseconds keep_threads, Mutex& mutex)
    : mutex_(mutex), keep_threads_(keep_threads) {
  for (std::shared_ptr<Model>& engine : engines) MakeIdle(all_.emplace_back(std::move(engine)));
}

Executors::~Executors() {
  {
    const MutexLock lock(mutex_);
    ending_ = true;
    for (Executor& executor : all_) executor.wake_.NotifyOne();
  }
  for (Executor& executor : all_) {
    if (executor.thread_.joinable()) executor.thread_.join();
  }
}

Executor& Executors::TakeIdle() {
  Executor& executor = *idle_.back();
  idle_.pop_back();
  return executor;
}

std::optional<Clock::time_point> Executors::OldestStart() const {
  std::optional<Clock::time_point> oldest;
  for (const Executor& executor : all_) {
    if (executor.running_since && (!oldest || *executor.running_since < *oldest)) oldest = executor.running_since;
  }
  return oldest;
}

bool Executors::Dispatch(Executor& executor, std::function<void()> job) {
  if (executor.thread_ended_) {
    executor.thread_.join();  // The thread does not lock the mutex any more.
    executor.thread_ended_ = false;
  }
  executor.job_ = std::move(job);
  if (executor.thread_.joinable()) {
    executor.wake_.NotifyOne();
    return true;
  }
  try {
    executor.thread_ = std::thread([this, &executor] { ExecutorLoop(executor); });
  } catch (const std::system_error&) {
    executor.job_ = nullptr;
    return false;
  }
  return true;
}

void Executors::ExecutorLoop(Executor& executor) {
  const MutexLock lock(mutex_);
  while (true) {
    const Clock::time_point until = Clock::now() + keep_threads_;
    while (!executor.job_ && !ending_ && executor.wake_.WaitUntil(mutex_, until)) continue;
    if (!executor.job_) break;
    const std::function<void()> job = std::exchange(executor.job_, nullptr);
    const MutexUnlock unlocked(mutex_);
    job();
  }
  executor.thread_ended_ = true;
}

}  // namespace tensorferry::inference
