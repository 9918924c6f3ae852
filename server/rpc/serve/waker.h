#pragma once

#include <utility>

#include "base/thread_annotations.h"
#include "rpc/serve/operation.h"

namespace tensorferry::rpc {

// Waker lets one coroutine sleep until another coroutine, or a thread, has changed something.
//
//   while (!condition) co_await waker.Sleep();
//
// Threads: Wake may be called on any thread; the coroutine goes on there.
class Waker {
 public:
  // `co_await waker.Sleep()` resumes once Wake is called. It resumes at once if Wake was called since the last Sleep.
  Operation::Wait Sleep() {
    const MutexLock lock(mutex_);
    Tag* const tag = woken_.Start();
    sleeping_ = !std::exchange(missed_, false);
    if (!sleeping_) tag->Complete(true);
    return Operation::Wait(woken_);
  }

  void Wake() {
    {
      const MutexLock lock(mutex_);
      missed_ = !sleeping_;
      if (!std::exchange(sleeping_, false)) return;
    }
    woken_.Complete(true);
  }

 private:
  Mutex mutex_;
  Operation woken_;
  bool sleeping_ TENSORFERRY_GUARDED_BY(mutex_) = false;
  bool missed_ TENSORFERRY_GUARDED_BY(mutex_) = false;
};

}  // namespace tensorferry::rpc
