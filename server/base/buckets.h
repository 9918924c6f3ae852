#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace tensorferry {

// Buckets are the bounds of a histogram: `unit`, and each next one 2^log2_step times the one before, as those of
// Prometheus's native histograms grow. The bucket of a value is found without a search.
struct Buckets {
  std::uint64_t unit;
  std::size_t log2_step;
  std::size_t count;  // The number of bounds. One more bucket has no bound.

  // Returns the bucket of `value`: the first whose bound is not less.
  constexpr std::size_t IndexOf(std::uint64_t value) const {
    if (value == 0) return 0;
    const auto doublings = static_cast<std::size_t>(std::bit_width((value - 1) / unit));
    return std::min((doublings + log2_step - 1) / log2_step, count);
  }

  constexpr std::uint64_t BoundOf(std::size_t bucket) const { return unit << (log2_step * bucket); }
};

// kRequestTimes are the buckets for the time of whole requests, in nanoseconds: 25 µs to 105 s.
inline constexpr Buckets kRequestTimes{.unit = 25'000, .log2_step = 1, .count = 23};

}  // namespace tensorferry
