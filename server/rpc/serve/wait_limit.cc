#include "rpc/serve/wait_limit.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace tensorferry::rpc {

WaitLimit::WaitLimit(std::chrono::milliseconds limit, Hurry hurry) : limit_(limit), hurry_(std::move(hurry)) {
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
    const bool may_hurry = hurry_.is_needed && hurry_.is_needed();
    for (Member* const member : members_) {
      const Clock::rep since = member->since_.load(std::memory_order_acquire);
      if (since == Member::kNever) continue;
      const auto waited = now - Clock::time_point(Clock::duration(since));
      const bool is_long = waited >= limit_;
      if (!is_long && (!may_hurry || member->call_ == nullptr || waited < kInTheWay)) continue;
      const auto coroutine = std::coroutine_handle<>::from_address(member->coroutine_);
      if (End(*member, coroutine, is_long)) ended.push_back(coroutine);
    }
  }
  for (const std::coroutine_handle<> coroutine : ended) coroutine.resume();
}

// Ends a wait of the coroutine, if it is long, or else if the caller is to make room. Returns whether the coroutine is now
// for the calling thread to resume.
bool WaitLimit::End(Member& member, std::coroutine_handle<> coroutine, bool is_long) {
  Operation& operation = *member.operation_;
  if (!operation.Abandon(coroutine)) return false;
  // From here on nothing resumes the coroutine but this thread, so its call stays as it is.
  if (!is_long && !hurry_.concerns(*member.call_)) return !operation.Await(coroutine);
  member.was_in_the_way_ = !is_long;
  AsyncCall* const cancelled = member.cancelled_;
  if (cancelled == nullptr) return true;
  cancelled->Cancel();
  member.End();
  return !operation.Await(coroutine);
}

WaitLimit::Member::Member(WaitLimit& limit, const AsyncCall* call) : limit_(limit), call_(call) {
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
