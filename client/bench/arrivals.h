#pragma once

#include <chrono>
#include <cstdint>
#include <random>

#include "bench/options.h"

namespace tensorferry::cli {

// ArrivalSchedule says when the requests of an open loop are to be sent, however long the answers take. Its times do
// not change from run to run.
class ArrivalSchedule {
 public:
  using Clock = std::chrono::steady_clock;

  // `rate` counts requests per second. The first request is due at `start`.
  ArrivalSchedule(double rate, Arrivals arrivals, Clock::time_point start);

  Clock::time_point next() const { return next_; }
  void Advance();

 private:
  const Clock::time_point start_;
  const Arrivals arrivals_;
  std::mt19937_64 random_{1};
  std::exponential_distribution<double> gap_;  // Seconds.
  const double rate_;
  double seconds_ = 0;  // From start_ to next_.
  std::uint64_t count_ = 0;
  Clock::time_point next_;
};

}  // namespace tensorferry::cli
