#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace tensorferry::inference {

// ShortRuns knows up to which size of the inputs, in bytes, the runs of a model are short.
// Threads: one at a time.
class ShortRuns {
 public:
  // A run under `low` is short. A run over `high` is long, and no run counts as short again before three more short
  // runs. A run in between changes nothing.
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

  // Returns whether a run of inputs of `nbytes` bytes is short. Inputs of up to twice as many bytes as any that were
  // short count as short, since they are expected to take at most twice as long.
  bool Have(std::uint64_t nbytes) const { return known_ && nbytes / 2 <= up_to_ && runs_ >= kEnough; }

 private:
  static constexpr int kEnough = 3;

  std::chrono::nanoseconds low_;
  std::chrono::nanoseconds high_;
  std::uint64_t up_to_ = 0;
  int runs_ = 0;  // Short runs since the last long one.
  bool known_ = false;
};

// RunTime knows how long the runs of a model took. Callers are told how long they would wait, and Placement learns
// which runs are short enough for the thread that serves calls: waking another thread, and being woken by it, costs
// each request 50 us and more.
// Threads: one at a time.
class RunTime {
 public:
  static constexpr std::chrono::microseconds kLong{1400};

  // Records that a run took `time`. Its inputs had `nbytes` bytes.
  void Record(std::uint64_t nbytes, std::chrono::nanoseconds time) {
    expected_ = runs_ == 0 || time < expected_ ? time : expected_ + (time - expected_) / 8;
    runs_ = std::min(runs_ + 1, kEnough);
    very_short_.Record(nbytes, time);
    short_.Record(nbytes, time);
  }

  // Returns whether runs of such inputs are so short that several in a row may keep the other calls of a thread
  // waiting.
  bool IsVeryShort(std::uint64_t nbytes) const { return very_short_.Have(nbytes); }

  // Returns whether runs of such inputs are so short that one run may keep the other calls of a thread waiting.
  bool IsShort(std::uint64_t nbytes) const { return short_.Have(nbytes); }

  // Returns the time that the next run takes at least, estimated from the last runs; 0 if there were fewer than three.
  // The estimate follows a fast run at once and slow runs slowly, so that one slow run makes no request be refused.
  std::chrono::nanoseconds expected() const { return runs_ < kEnough ? std::chrono::nanoseconds(0) : expected_; }

 private:
  static constexpr int kEnough = 3;

  std::chrono::nanoseconds expected_{0};
  int runs_ = 0;  // At most kEnough: more are not counted.
  ShortRuns very_short_{std::chrono::microseconds(150), std::chrono::microseconds(300)};
  ShortRuns short_{std::chrono::microseconds(700), kLong};
};

}  // namespace tensorferry::inference
