#pragma once

#include <algorithm>
#include <chrono>

namespace tensorferry::inference {

// BackOff says how long to wait before a worker is started again. The first time it is at once; then the delay
// doubles, from kFirst on, until a worker has lived for kHealthy.
// Threads: one at a time.
class BackOff {
 public:
  static constexpr std::chrono::milliseconds kFirst{50};
  static constexpr std::chrono::milliseconds kMaxAfterCrash{1'000};     // Requests wait for so long.
  static constexpr std::chrono::milliseconds kMaxAfterFailure{60'000};  // Requests are refused meanwhile.
  static constexpr std::chrono::seconds kHealthy{10};

  // Returns the delay after the end of a worker that was ready for `lived`.
  std::chrono::milliseconds AfterCrash(std::chrono::nanoseconds lived) {
    if (lived >= kHealthy) in_a_row_ = 0;
    return Next(kMaxAfterCrash);
  }

  // Returns the delay after a start that failed. It is never 0.
  std::chrono::milliseconds AfterFailure() {
    in_a_row_ = std::max(in_a_row_, 1);
    return Next(kMaxAfterFailure);
  }

 private:
  static constexpr int kMost = 20;  // Doublings, far beyond each maximum.

  std::chrono::milliseconds Next(std::chrono::milliseconds max) {
    const int doublings = std::min(in_a_row_++, kMost) - 1;
    return doublings < 0 ? std::chrono::milliseconds(0) : std::min(kFirst * (1 << doublings), max);
  }

  int in_a_row_ = 0;  // Ends and failures, since a worker was last healthy.
};

}  // namespace tensorferry::inference
