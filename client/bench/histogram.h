#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

namespace tensorferry::cli {

// LatencyHistogram counts latencies in buckets that are 1/128 as wide as the values they hold: it covers any range in
// fixed memory, to within half a percent.
class LatencyHistogram {
 public:
  LatencyHistogram();

  // A negative latency counts as 0.
  void Add(std::chrono::nanoseconds latency);

  std::uint64_t count() const { return count_; }
  std::chrono::nanoseconds max() const { return max_; }  // Exact.

  // Quantile returns the smallest latency that `share` of all do not exceed, 0 < share <= 1; 0 without latencies.
  std::chrono::nanoseconds Quantile(double share) const;

 private:
  std::vector<std::uint64_t> buckets_;
  std::uint64_t count_ = 0;
  std::chrono::nanoseconds max_{0};
};

}  // namespace tensorferry::cli
