#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

namespace tensorferry::cli {

// Latencies in buckets that are 1/128 as wide as what they hold: any range, in fixed memory, to within half a percent.
class LatencyHistogram {
 public:
  LatencyHistogram();

  // Negative ones count as 0.
  void Add(std::chrono::nanoseconds latency);

  std::uint64_t count() const { return count_; }
  std::chrono::nanoseconds max() const { return max_; }  // Exact.

  // The smallest latency that is not exceeded by `share` of all, 0 < share <= 1. Without latencies: 0.
  std::chrono::nanoseconds Quantile(double share) const;

 private:
  std::vector<std::uint64_t> buckets_;
  std::uint64_t count_ = 0;
  std::chrono::nanoseconds max_{0};
};

}  // namespace tensorferry::cli
