#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace tensorferry::inference {

// What the runs of a model took, so that callers can be told how long they will wait, and whether a run is short enough
// for the thread that serves calls.
// Threads: one at a time.
class RunTime {
 public:
  // `nbytes`: of the inputs.
  void Record(std::uint64_t nbytes, std::chrono::nanoseconds time) {
    mean_ = mean_.count() == 0 ? time : mean_ + (time - mean_) / 8;
    if (time > kLong) {
      short_up_to_ = nbytes > 0 ? std::min(short_up_to_, nbytes - 1) : 0;
      short_runs_ = 0;
    } else if (time < kShort && ++short_runs_ >= kEnough) {
      short_up_to_ = std::max(short_up_to_, nbytes);
      known_ = true;
    }
  }

  // Whether runs of inputs like these have been short; twice as much is twice as long at most.
  bool IsShort(std::uint64_t nbytes) const { return known_ && nbytes / 2 <= short_up_to_ && short_runs_ >= kEnough; }

  // Of late; 0: none yet.
  std::chrono::nanoseconds mean() const { return mean_; }

 private:
  // Waking another thread, and being woken by it, costs 50 us and more.
  static constexpr std::chrono::microseconds kShort{150};
  static constexpr std::chrono::microseconds kLong{300};
  static constexpr int kEnough = 3;

  std::chrono::nanoseconds mean_{0};
  std::uint64_t short_up_to_ = 0;  // Bytes.
  int short_runs_ = 0;             // Since the last long one.
  bool known_ = false;
};

}  // namespace tensorferry::inference
