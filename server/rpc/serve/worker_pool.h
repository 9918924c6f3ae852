#pragma once

#include <condition_variable>
#include <coroutine>
#include <cstddef>
#include <mutex>
#include <thread>
#include <vector>

namespace tensorferry::rpc {

// Bytes of a message from which on a worker copies it. The copy takes some hundred microseconds then, many times what
// waking a worker costs.
inline constexpr std::size_t kLongCopy = 4 << 20;

// Threads for work that takes long. A coroutine moves to one of them, so that the small calls that wait for its former
// thread are served meanwhile.
class WorkerPool {
 public:
  explicit WorkerPool(int threads);
  ~WorkerPool();  // Lets every coroutine that waits go on first.

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
  Entry* first_ = nullptr;  // Entries that wait, linked by Entry::next_. Guarded by mutex_, as the two below.
  Entry* last_ = nullptr;
  bool ending_ = false;
  std::vector<std::thread> threads_;  // Stands last: the threads use the other members.
};

}  // namespace tensorferry::rpc
