#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/thread_annotations.h"
#include "inference/model_run.h"
#include "inference/tensor/model.h"

namespace tensorferry::inference {

// An Executor is the right to run one batch at a time on its engine, and a thread for it, which exists while it is
// needed. Several executors run at the same time.
class Executor {
 public:
  explicit Executor(std::shared_ptr<Model> engine) : engine_(std::move(engine)) {}

  Model& engine() const { return *engine_; }

  std::optional<Clock::time_point> running_since;  // The time at which its run began; nothing while it runs nothing.

 private:
  friend class Executors;

  const std::shared_ptr<Model> engine_;
  std::thread thread_;
  bool thread_ended_ = false;  // `thread_` was idle for so long that it has ended, or is about to.
  std::function<void()> job_;  // The job that the thread does next.
  ConditionVariable wake_;
};

// Executors keeps the executors of one model: it knows which are idle, and starts and ends their threads.
//
// Threads: the members are called while the constructor's mutex is held. The executors' threads lock it to take a job,
//          and do the job without it.
// Lifetime: the destructor waits for the jobs that were dispatched. It is called without the mutex.
class Executors {
 public:
  // Makes one executor for each engine; several engines may be the same. A thread that had no job for `keep_threads`
  // ends, and the next job starts another. Borrows `mutex`.
  Executors(std::vector<std::shared_ptr<Model>> engines, std::chrono::milliseconds keep_threads, Mutex& mutex);
  Executors(const Executors&) = delete;
  Executors& operator=(const Executors&) = delete;
  ~Executors();

  std::size_t size() const { return all_.size(); }
  std::size_t idle_count() const { return idle_.size(); }
  std::deque<Executor>& all() { return all_; }

  // Removes and returns the executor that became idle last. Call it only if there is one.
  Executor& TakeIdle();
  void MakeIdle(Executor& executor) { idle_.push_back(&executor); }

  // Returns the time at which the oldest of the present runs began.
  std::optional<Clock::time_point> OldestStart() const;

  // Makes the executor's thread, which has no other job, do this job. Returns false if the system has no thread for it.
  [[nodiscard]] bool Dispatch(Executor& executor, std::function<void()> job);

 private:
  void ExecutorLoop(Executor& executor) TENSORFERRY_EXCLUDES(mutex_);

  Mutex& mutex_;
  const std::chrono::milliseconds keep_threads_;
  std::deque<Executor> all_;
  std::vector<Executor*> idle_;
  bool ending_ = false;
};

}  // namespace tensorferry::inference
