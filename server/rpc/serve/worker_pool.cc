#include "rpc/serve/worker_pool.h"

#include "base/start_thread.h"

namespace tensorferry::rpc {

WorkerPool::WorkerPool(int threads) {
  try {
    for (int i = 0; i < threads; ++i) {
      threads_.push_back(StartThread("copying large messages", [this] { Work(); }));
    }
  } catch (const NoThread&) {
    End();
    throw;
  }
}

void WorkerPool::End() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  arrived_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkerPool::Entry::await_suspend(std::coroutine_handle<> coroutine) {
  coroutine_ = coroutine;
  // Once this entry is in the list, the coroutine may go on, and the entry with it be destroyed.
  WorkerPool& pool = pool_;
  {
    const std::lock_guard lock(pool.mutex_);
    if (pool.last_ == nullptr) {
      pool.first_ = this;
    } else {
      pool.last_->next_ = this;
    }
    pool.last_ = this;
  }
  pool.arrived_.notify_one();
}

void WorkerPool::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    arrived_.wait(lock, [this] { return first_ != nullptr || ending_; });
    if (first_ == nullptr) return;
    Entry& entry = *first_;
    first_ = entry.next_;
    if (first_ == nullptr) last_ = nullptr;
    lock.unlock();
    entry.coroutine_.resume();
    lock.lock();
  }
}

}  // namespace tensorferry::rpc
