#include "bench/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace tensorferry::cli {
namespace {

constexpr int kBits = 7;
constexpr std::uint64_t kPerDoubling = 1U << kBits;
constexpr std::size_t kBuckets = (63 - kBits) * kPerDoubling + kPerDoubling;  // The buckets hold any int64.

// Values below 2 * kPerDoubling have buckets of their own; the width doubles with each further power of two.
std::size_t IndexOf(std::uint64_t value) {
  const int shift = std::max(0, static_cast<int>(std::bit_width(value)) - kBits - 1);
  return static_cast<std::size_t>(shift) * kPerDoubling + (value >> shift);
}

// ValueOf returns the middle of the bucket.
std::uint64_t ValueOf(std::size_t index) {
  if (index < 2 * kPerDoubling) return index;
  const std::size_t shift = index / kPerDoubling - 1;
  return ((index - shift * kPerDoubling) << shift) + (std::uint64_t{1} << shift) / 2;
}

}  // namespace

LatencyHistogram::LatencyHistogram() : buckets_(kBuckets) {}

void LatencyHistogram::Add(std::chrono::nanoseconds latency) {
  const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(0, latency.count()));
  ++buckets_[IndexOf(value)];
  ++count_;
  max_ = std::max(max_, latency);
}

std::chrono::nanoseconds LatencyHistogram::Quantile(double share) const {
  const auto rank =
      std::clamp<std::uint64_t>(static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_))), 1, count_);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size() && count_ > 0; ++i) {
    seen += buckets_[i];
    if (seen >= rank) return std::min(max_, std::chrono::nanoseconds(ValueOf(i)));
  }
  return max_;
}

}  // namespace tensorferry::cli
