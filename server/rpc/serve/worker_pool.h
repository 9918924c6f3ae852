#pragma once

#include <condition_variable>
#include <coroutine>
#include <cstddef>
#include <mutex>
#include <thread>
#include <vector>

namespace tensorferry::rpc {

// A message of at least this many bytes is copied by a worker. The copy takes some hundred microseconds then, many
// times what waking a worker costs. A shorter one that takes as long is told by IsLongToRead (rpc/wire/message_weight.h).
inline constexpr std::size_t kLongCopy = 4 << 20;

// WorkerPool has threads for work that takes long. A coroutine moves to one of them, and the small calls that wait for
// its former thread are served meanwhile.
class WorkerPool {
 public:
  explicit WorkerPool(int threads);  // Throws NoThread.
  ~WorkerPool() { End(); }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // `co_await pool.Enter()` resumes on a thread of the pool. Coroutines resume in the order in which they came.
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
  void End();  // First lets every coroutine that waits go on.

  std::mutex mutex_;
  std::condition_variable arrived_;
  Entry* first_ = nullptr;  // Entries that wait, linked by Entry::next_. Guarded by mutex_, like the two members below.
  Entry* last_ = nullptr;
  bool ending_ = false;
  std::vector<std::thread> threads_;  // The last member: the threads use the others.
};

}  // namespace tensorferry::rpc
