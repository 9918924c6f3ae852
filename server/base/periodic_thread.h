#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include "base/start_thread.h"

namespace tensorferry {

// PeriodicThread calls a function again and again on its own thread. The first call comes after one interval, each
// further call one interval after the last has returned.
// Errors:   the constructor throws NoThread, which names `purpose`.
// Lifetime: the destructor waits for a call that is in progress, and for nothing else.
class PeriodicThread {
 public:
  PeriodicThread(std::chrono::milliseconds interval, std::function<void()> work,
                 std::string_view purpose = "what is done again and again")
      : interval_(interval), work_(std::move(work)), thread_(StartThread(purpose, [this] { Run(); })) {}
  PeriodicThread(const PeriodicThread&) = delete;
  PeriodicThread& operator=(const PeriodicThread&) = delete;

  ~PeriodicThread() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    ended_.notify_all();
    thread_.join();
  }

 private:
  void Run() {
    std::unique_lock lock(mutex_);
    while (!ended_.wait_for(lock, interval_, [this] { return ending_; })) {
      lock.unlock();
      work_();
      lock.lock();
    }
  }

  const std::chrono::milliseconds interval_;
  const std::function<void()> work_;
  std::mutex mutex_;  // Guards ending_.
  std::condition_variable ended_;
  bool ending_ = false;
  std::thread thread_;  // The last member: the thread uses the others.
};

}  // namespace tensorferry
