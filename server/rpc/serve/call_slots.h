#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "rpc/serve/operation.h"

namespace tensorferry::rpc {

// LiveCoroutines counts the coroutines of a server, so that the server can wait for the end of the last one.
// Threads: any.
class LiveCoroutines {
 public:
  void Add() { ++count_; }
  void Remove() {
    // Notifies under the lock: a waiter that sees 0 may destroy this object at once.
    const std::lock_guard lock(mutex_);
    if (--count_ == 0) none_.notify_all();
  }
  void WaitForNone() {
    std::unique_lock lock(mutex_);
    none_.wait(lock, [this] { return count_ == 0; });
  }

 private:
  std::atomic<int> count_{0};
  std::mutex mutex_;
  std::condition_variable none_;
};

// CallSlots are the coroutines that serve one method, each of them one call at a time. If no coroutine waits for a
// call, the next call must wait until another call has ended; so some coroutines are always kept waiting.
// Threads: any, but for Start.
class CallSlots {
 public:
  // `serve` starts one more coroutine, which makes a Slot before anything else.
  CallSlots(LiveCoroutines& live, std::function<void(CallSlots&)> serve) : live_(live), serve_(std::move(serve)) {}

  void Start() {
    for (int i = 0; i < kWaitingAtStart; ++i) StartOne();
  }
  void StartOne() { serve_(*this); }

  // A Slot is the place of one coroutine, which holds the Slot to its end.
  class Slot {
   public:
    explicit Slot(CallSlots& slots) : slots_(slots) {
      slots_.live_.Add();
      ++slots_.waiting_;
    }
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    ~Slot() { slots_.live_.Remove(); }

    // Says that a call has come. Starts another coroutine if too few are left waiting.
    void Arrived() {
      if (--slots_.waiting_ < kFewest) slots_.StartOne();
    }

    // Says that the call has ended. Returns false if enough other coroutines wait; the coroutine must then end.
    bool WaitAgain() {
      if (++slots_.waiting_ <= kMost) return true;
      --slots_.waiting_;
      return false;
    }

   private:
    CallSlots& slots_;
  };

 private:
  // Few wait, since Debian's gRPC searches the operations that wait on a queue one by one at each event: it is built with
  // assertions (cq_check_tag). With 32 for each of 30 methods that search alone goes through 8 KiB.
  static constexpr int kWaitingAtStart = 4;
  static constexpr int kFewest = 2;
  static constexpr int kMost = 16;

  LiveCoroutines& live_;
  const std::function<void(CallSlots&)> serve_;
  std::atomic<int> waiting_{0};
};

// ServiceSlots are the coroutines of all methods of one service.
class ServiceSlots {
 public:
  explicit ServiceSlots(LiveCoroutines& live) : live_(live) {}

  // Serves one more method. `one_more` is the `serve` of CallSlots.
  void Serve(std::function<void(CallSlots&)> one_more) {
    slots_.push_back(std::make_unique<CallSlots>(live_, std::move(one_more)));
    slots_.back()->Start();
  }

 private:
  LiveCoroutines& live_;
  std::vector<std::unique_ptr<CallSlots>> slots_;
};

}  // namespace tensorferry::rpc
