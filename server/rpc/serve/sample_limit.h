#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

namespace tensorferry::rpc {

// SampleLimit admits the first kMostInASecond of what happens in each second.
// Threads: any; without a lock.
class SampleLimit {
 public:
  static constexpr std::uint64_t kMostInASecond = 10;

  using Time = std::chrono::steady_clock::time_point;

  // Returns nothing if it does not admit, else how much it has not admitted since it last did. An earlier time than that
  // of the last call counts as the last call's.
  std::optional<std::uint64_t> Admit(Time time) {
    const auto since_epoch = std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch());
    const auto second = static_cast<std::uint64_t>(since_epoch.count());
    std::uint64_t state = state_.load(std::memory_order_relaxed);
    while (SecondOf(state) < second) {
      if (state_.compare_exchange_weak(state, (second << kCountBits) | 1, std::memory_order_relaxed)) {
        return LeftOut(state);
      }
    }
    const std::uint64_t count = CountOf(state_.fetch_add(1, std::memory_order_relaxed));
    return count < kMostInASecond ? std::optional<std::uint64_t>(0) : std::nullopt;
  }

 private:
  // The count of a second in the lower bits, the second above it: a machine that is up for a century stays within.
  static constexpr int kCountBits = 32;

  static constexpr std::uint64_t SecondOf(std::uint64_t state) { return state >> kCountBits; }
  static constexpr std::uint64_t CountOf(std::uint64_t state) { return state & ((std::uint64_t{1} << kCountBits) - 1); }
  static constexpr std::uint64_t LeftOut(std::uint64_t state) {
    return CountOf(state) > kMostInASecond ? CountOf(state) - kMostInASecond : 0;
  }

  std::atomic<std::uint64_t> state_ = 0;
};

}  // namespace tensorferry::rpc
