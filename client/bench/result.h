#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "bench/histogram.h"
#include "tensorferry/client/response.h"

namespace tensorferry::cli {

// What came of one size's requests.
struct BenchResult {
  std::uint64_t ok = 0;
  std::map<std::string, std::uint64_t> errors;  // Numbers by reason, or by code where the server gave none.
  std::uint64_t late = 0;                       // Open loop: requests sent more than kLate after they were due.
  std::uint64_t unsent = 0;                     // Open loop: requests never sent, since too many were unanswered.
  std::chrono::nanoseconds elapsed{0};
  LatencyHistogram latency;  // Times of the ok requests, from when they were to be sent.
  client::Timing server;     // Sums over the ok requests.
  absl::Status ended;        // Why nothing more was measured: no connection, or a tensor that is not the array.
  bool gave_up = false;      // Answers were missing after all patience; their reason is DEADLINE_EXCEEDED.

  static constexpr std::chrono::milliseconds kLate{1};

  std::uint64_t failed() const {
    std::uint64_t sum = 0;
    for (const auto& [reason, count] : errors) sum += count;
    return sum;
  }
  double PerSecond() const { return static_cast<double>(ok) / std::chrono::duration<double>(elapsed).count(); }
};

}  // namespace tensorferry::cli
