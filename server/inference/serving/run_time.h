#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace tensorferry::inference {

// Up to how many bytes of inputs the runs of a model are short.
// Threads: one at a time.
class ShortRuns {
 public:
  // Runs under `low` are short; one over `high` is a warning. In between runs stay what they were.
  ShortRuns(std::chrono::nanoseconds low, std::chrono::nanoseconds high) : low_(low), high_(high) {}

  void Record(std::uint64_t nbytes, std::chrono::nanoseconds time) {
    if (time > high_) {
      up_to_ = nbytes > 0 ? std::min(up_to_, nbytes - 1) : 0;
      runs_ = 0;
    } else if (time < low_ && ++runs_ >= kEnough) {
      up_to_ = std::max(up_to_, nbytes);
      known_ = true;
    }
  }

  // Twice as much is twice as long at most.
  bool Have(std::uint64_t nbytes) const { return known_ && nbytes / 2 <= up_to_ && runs_ >= kEnough; }

 private:
  static constexpr int kEnough = 3;

  std::chrono::nanoseconds low_;
  std::chrono::nanoseconds high_;
  std::uint64_t up_to_ = 0;
  int runs_ = 0;  // Since the last long one.
  bool known_ = false;
};

// What the runs of a model took, so that callers can be told how long they will wait, and whether a run is for the thread
// that serves calls: to wake another thread, and to be woken by it, costs 50 us and more, of each request.
// Threads: one at a time.
class RunTime {
 public:
  static constexpr std::chrono::microseconds kLong{1400};

  // `nbytes`: of the inputs.
  void Record(std::uint64_t nbytes, std::chrono::nanoseconds time) {
    expected_ = runs_ == 0 || time < expected_ ? time : expected_ + (time - expected_) / 8;
    runs_ = std::min(runs_ + 1, kEnough);
    very_short_.Record(nbytes, time);
    short_.Record(nbytes, time);
  }

  // Whether runs of inputs like these have been so short that several may keep the other calls waiting.
  bool IsVeryShort(std::uint64_t nbytes) const { return very_short_.Have(nbytes); }

  // Whether they have been so short that one may.
  bool IsShort(std::uint64_t nbytes) const { return short_.Have(nbytes); }

  // What the next one takes at least, as far as those of late tell; 0: too few of them. A slow one among them means
  // little, so that nobody is refused for its sake.
  std::chrono::nanoseconds expected() const { return runs_ < kEnough ? std::chrono::nanoseconds(0) : expected_; }

 private:
  static constexpr int kEnough = 3;

  std::chrono::nanoseconds expected_{0};
  int runs_ = 0;  // As far as they are counted.
  ShortRuns very_short_{std::chrono::microseconds(150), std::chrono::microseconds(300)};
  ShortRuns short_{std::chrono::microseconds(700), kLong};
};

}  // namespace tensorferry::inference
