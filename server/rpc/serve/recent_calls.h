#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/reason.h"
#include "base/thread_annotations.h"

namespace tensorferry::rpc {

// SeenCall is what RecentCalls keeps of one request. Its texts may be what the caller has sent, so they are short and
// printable; none is a header of the call.
struct SeenCall {
  std::chrono::system_clock::time_point end;
  std::chrono::nanoseconds duration{0};
  // As the access log has them.
  std::string method;
  std::string peer;
  std::string request_id;
  std::string model;
  std::string model_version;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::chrono::nanoseconds receive{0}, convert{0}, queue{0}, compute{0};
  std::optional<Reason> reason{};  // Nothing: the request was answered.
  std::string message;             // The refusal's.
};

// RecentCalls keeps the last requests that were refused or failed, and the slowest that were answered in this interval
// and in the one before. An interval begins with a request.
// Threads: any. IsSlow takes no lock.
class RecentCalls {
 public:
  static constexpr std::size_t kMostRefusals = 100;
  static constexpr std::size_t kMostSlow = 20;
  static constexpr std::chrono::minutes kInterval{10};

  using Clock = std::chrono::steady_clock;

  void AddRefusal(SeenCall call);

  // Returns whether AddSlow would keep a request of this duration that ends now.
  bool IsSlow(std::chrono::nanoseconds duration, Clock::time_point now) const {
    return duration.count() > fastest_kept_.load(std::memory_order_relaxed) ||
           now.time_since_epoch().count() >= interval_end_.load(std::memory_order_relaxed);
  }
  void AddSlow(SeenCall call, Clock::time_point now);

  std::vector<SeenCall> Refusals() const;  // The last one first.
  std::vector<SeenCall> Slowest() const;   // The slowest one first.

 private:
  // What IsSlow compares with. The duration is below zero while there is room.
  std::atomic<std::int64_t> fastest_kept_ = -1;
  std::atomic<std::int64_t> interval_end_ = 0;

  mutable Mutex mutex_;
  std::deque<SeenCall> refusals_ TENSORFERRY_GUARDED_BY(mutex_);
  std::vector<SeenCall> slow_ TENSORFERRY_GUARDED_BY(mutex_);  // Of this interval, the slowest first.
  std::vector<SeenCall> slow_before_ TENSORFERRY_GUARDED_BY(mutex_);
};

}  // namespace tensorferry::rpc
