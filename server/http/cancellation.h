#pragma once

#include <functional>
#include <mutex>
#include <utility>

namespace tensorferry::http {

// Cancellation tells a route that answers later that the peer has gone, so that nobody waits for the answer any more.
// Threads: any.
class Cancellation {
 public:
  // Has `stop` called when the peer goes, and now if it has gone. `stop` must not throw, and is called at most once.
  void OnGone(std::function<void()> stop) {
    {
      const std::lock_guard lock(mutex_);
      if (!gone_) {
        stop_ = std::move(stop);
        return;
      }
    }
    stop();
  }

  // Says that the peer has gone.
  void Tell() {
    std::function<void()> stop;
    {
      const std::lock_guard lock(mutex_);
      gone_ = true;
      stop.swap(stop_);
    }
    if (stop) stop();
  }

 private:
  std::mutex mutex_;
  bool gone_ = false;
  std::function<void()> stop_;
};

}  // namespace tensorferry::http
