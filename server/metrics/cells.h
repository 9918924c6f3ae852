// The memory of counts on the hot path. docs/adr/0024 says why these are no objects of prometheus-cpp.
#pragma once

#include <prometheus/client_metric.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/buckets.h"

namespace tensorferry::metrics {

// A Cell counts for the threads of one shard. A sum of all shards' cells may miss what is being counted at the moment.
class Cell {
 public:
  void Add(std::uint64_t count = 1) { value_.fetch_add(count, std::memory_order_relaxed); }
  std::uint64_t Get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_ = 0;
};

// HistogramCells count the values of a histogram, in nanoseconds or bytes.
template <Buckets kBuckets>
class HistogramCells {
 public:
  void Observe(std::uint64_t value) {
    counts_[kBuckets.IndexOf(value)].Add();
    sum_.Add(value);
  }

  // Adds these counts to `sum`, whose bounds and sum are in units of `unit`: 1e9 makes seconds of nanoseconds.
  void AddTo(prometheus::ClientMetric::Histogram& sum, double unit) const {
    sum.bucket.resize(kBuckets.count);
    std::uint64_t cumulative = 0;
    for (std::size_t i = 0; i < kBuckets.count; ++i) {
      cumulative += counts_[i].Get();
      sum.bucket[i].cumulative_count += cumulative;
      sum.bucket[i].upper_bound = static_cast<double>(kBuckets.BoundOf(i)) / unit;
    }
    sum.sample_count += cumulative + counts_[kBuckets.count].Get();
    sum.sample_sum += static_cast<double>(sum_.Get()) / unit;
  }

 private:
  std::array<Cell, kBuckets.count + 1> counts_;
  Cell sum_;
};

// Threads have numbers, from 0 in the order in which they first ask.
inline std::size_t ThreadNumber() {
  static std::atomic<std::size_t> next = 1;
  thread_local constinit std::size_t number = 0;
  if (number == 0) [[unlikely]]
    number = next.fetch_add(1, std::memory_order_relaxed);
  return number - 1;
}

// Sharded has several T, so that threads that count at the same time rarely write to the same memory: each of the first
// kShards threads has its own.
template <typename T>
class Sharded {
 public:
  static constexpr std::size_t kShards = 16;

  T& OfThisThread() { return shards_[ThreadNumber() % kShards].value; }

  // Calls `visit` with every shard.
  template <typename Visit>
  void ForEach(Visit&& visit) const {
    for (const Shard& shard : shards_) visit(shard.value);
  }
  template <typename Visit>
  void ForEach(Visit&& visit) {
    for (Shard& shard : shards_) visit(shard.value);
  }

 private:
  static constexpr std::size_t kCacheLine = 64;  // Bytes.
  struct alignas(kCacheLine) Shard {
    T value;
  };
  std::array<Shard, kShards> shards_;
};

}  // namespace tensorferry::metrics
