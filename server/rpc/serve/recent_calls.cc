#include "rpc/serve/recent_calls.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

namespace tensorferry::rpc {

void RecentCalls::AddRefusal(SeenCall call) {
  const MutexLock lock(mutex_);
  if (refusals_.size() == kMostRefusals) refusals_.pop_back();
  refusals_.push_front(std::move(call));
}

void RecentCalls::AddSlow(SeenCall call, Clock::time_point now) {
  const MutexLock lock(mutex_);
  if (now.time_since_epoch().count() >= interval_end_) {
    slow_before_ = std::exchange(slow_, {});
    interval_end_ = (now + kInterval).time_since_epoch().count();
  }
  const auto place = std::ranges::upper_bound(slow_, call.duration, std::greater<>(), &SeenCall::duration);
  slow_.insert(place, std::move(call));
  if (slow_.size() > kMostSlow) slow_.pop_back();
  fastest_kept_ = slow_.size() < kMostSlow ? -1 : slow_.back().duration.count();
}

std::vector<SeenCall> RecentCalls::Refusals() const {
  const MutexLock lock(mutex_);
  return {refusals_.begin(), refusals_.end()};
}

std::vector<SeenCall> RecentCalls::Slowest() const {
  std::vector<SeenCall> calls;
  {
    const MutexLock lock(mutex_);
    std::ranges::merge(slow_, slow_before_, std::back_inserter(calls), std::greater<>(), &SeenCall::duration,
                       &SeenCall::duration);
  }
  calls.resize(std::min(calls.size(), kMostSlow));
  return calls;
}

}  // namespace tensorferry::rpc
