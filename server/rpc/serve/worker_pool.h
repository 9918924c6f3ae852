#pragma once

#include <condition_variable>
#include <coroutine>
#include <cstddef>
#include <mutex>
#include <thread>
#include <vector>

namespace tensorferry::rpc {

// Bytes of a message from which on its copy goes to a worker: some hundred microseconds, many times what waking one
// costs.
inline constexpr std::size_t kLongCopy = 4 << 20;

// Threads for what takes long: coroutines move to them, so that the small calls behind do not wait.
class WorkerPool {
 public:
  explicit WorkerPool(int threads);
  ~WorkerPool();  // Runs what still waits, then ends.

  // `co_await pool.Enter()`: the coroutine goes on on a thread of the pool, in the order of arrival.
  class Entry {
   public:
    explicit Entry(WorkerPool& pool) : pool_(pool) {}
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> coroutine);
    void await_resume() const {}

   private:
    friend class WorkerPool;
    WorkerPool& pool_;
    std::coroutine_handle<> coroutine_;
    Entry* next_ = nullptr;
  };
  Entry Enter() { return Entry(*this); }

 private:
  void Work();

  std::mutex mutex_;
  std::condition_variable arrived_;
  Entry* first_ = nullptr;
  Entry* last_ = nullptr;
  bool ending_ = false;
  std::vector<std::thread> threads_;  // Last: they use the rest.
};

}  // namespace tensorferry::rpc
