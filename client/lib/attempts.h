#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "absl/status/status.h"
#include "tensorferry/client/error.h"

namespace tensorferry::client {

// Longer timeouts are as this one: some thirty years, which every clock can add to its time.
inline constexpr std::chrono::milliseconds kMostTimeout = std::chrono::hours(24 * 365 * 30);

// Attempts counts the tries of one call, and its time.
class Attempts {
 public:
  // `timeout` is that of all tries together; 0: they have no end.
  Attempts(int retries, std::chrono::milliseconds timeout)
      : retries_(retries), timeout_(std::min(timeout, kMostTimeout)), begin_(std::chrono::steady_clock::now()) {}

  // TimeLeft returns what is left of the timeout, as a timeout: 0 where there is none, and at least 1 ms where there is one.
  std::chrono::milliseconds TimeLeft() const {
    if (timeout_.count() == 0) return timeout_;
    const auto passed = std::chrono::steady_clock::now() - begin_;
    return std::max(std::chrono::ceil<std::chrono::milliseconds>(timeout_ - passed), std::chrono::milliseconds(1));
  }

  // GiveUp returns when to go on without what the call can do without: then half of the time that is left now is left.
  std::chrono::steady_clock::time_point GiveUp() const {
    const auto never = std::chrono::steady_clock::time_point::max();
    return timeout_.count() == 0 ? never : std::chrono::steady_clock::now() + TimeLeft() / 2;
  }

  // Delay returns the time to wait before the next try. Nothing: there is none, since the call has ended well, the server
  // has not said that another try may help, there were enough of them, or the time would be over.
  std::optional<std::chrono::milliseconds> Delay(const absl::Status& end) {
    if (end.ok() || retries_ == 0) return std::nullopt;
    const std::chrono::milliseconds delay = ToError(end).retry_after;
    if (delay.count() == 0 || (timeout_.count() > 0 && delay >= TimeLeft())) return std::nullopt;
    --retries_;
    return delay;
  }

 private:
  int retries_;
  const std::chrono::milliseconds timeout_;
  const std::chrono::steady_clock::time_point begin_;
};

}  // namespace tensorferry::client
