#include "rpc/serve/wait_limit.h"

#include <algorithm>
#include <vector>

namespace tensorferry::rpc {

WaitLimit::WaitLimit(std::chrono::milliseconds limit) : limit_(limit) {
  if (limit == std::chrono::milliseconds(0)) return;
  const auto interval =
      std::clamp<std::chrono::milliseconds>(limit / 4, std::chrono::milliseconds(1), std::chrono::milliseconds(1000));
  thread_.emplace(
      interval, [this] { EndLongWaits(Clock::now()); }, "the limit of waits");
}

void WaitLimit::EndLongWaits(Clock::time_point now) {
  std::vector<std::coroutine_handle<>> ended;
  {
    // A Member leaves under the lock before its operations end, so both exist while the lock is held.
    const MutexLock lock(mutex_);
    for (Member* const member : members_) {
      const Clock::rep since = member->since_.load(std::memory_order_acquire);
      if (since == Member::kNever || now - Clock::time_point(Clock::duration(since)) < limit_) continue;
      const auto coroutine = std::coroutine_handle<>::from_address(member->coroutine_);
      Operation& operation = *member->operation_;
      if (!operation.Abandon(coroutine)) continue;
      // From here on nothing resumes the coroutine but this thread, so its call stays as it is.
      if (AsyncCall* const call = member->cancelled_) {
        call->Cancel();
        member->End();
        if (operation.Await(coroutine)) continue;
      }
      ended.push_back(coroutine);
    }
  }
  for (const std::coroutine_handle<> coroutine : ended) coroutine.resume();
}

WaitLimit::Member::Member(WaitLimit& limit) : limit_(limit) {
  const MutexLock lock(limit_.mutex_);
  place_ = limit_.members_.insert(limit_.members_.end(), this);
}

WaitLimit::Member::~Member() {
  const MutexLock lock(limit_.mutex_);
  limit_.members_.erase(place_);
}

bool WaitLimit::Member::Begin(Operation& operation, AsyncCall* cancelled, std::coroutine_handle<> coroutine) {
  if (limit_.limit_ == std::chrono::milliseconds(0)) return operation.Await(coroutine);
  operation_.store(&operation, std::memory_order_relaxed);
  cancelled_.store(cancelled, std::memory_order_relaxed);
  coroutine_.store(coroutine.address(), std::memory_order_relaxed);
  since_.store(Clock::now().time_since_epoch().count(), std::memory_order_release);
  return operation.Await(coroutine);
}

}  // namespace tensorferry::rpc
