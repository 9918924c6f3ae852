#include "web/work_thread.h"

#include <utility>

#include "base/start_thread.h"

namespace tensorferry::web {

WorkThread::WorkThread(std::string_view purpose) : thread_(StartThread(purpose, [this] { Run(); })) {}

void WorkThread::Post(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  if (stopped_) return;
  waiting_.push_back(std::move(work));
  changed_.notify_one();
}

void WorkThread::Stop() {
  std::deque<std::function<void()>> dropped;  // Outlives the lock: what it holds may post when it ends.
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    dropped.swap(waiting_);
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void WorkThread::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopped_ || !waiting_.empty(); });
    if (stopped_) return;
    std::function<void()> work = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
  }
}

}  // namespace tensorferry::web
