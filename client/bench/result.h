#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "bench/histogram.h"
#include "tensorferry/client/response.h"

namespace tensorferry::cli {

// BenchResult is the outcome of all requests of one size.
struct BenchResult {
  std::uint64_t ok = 0;
  std::map<std::string, std::uint64_t> errors;  // Counts by reason, or by code if the server gave no reason.
  std::uint64_t late = 0;                       // Open loop: requests sent more than kLate after they were due.
  std::uint64_t unsent = 0;                     // Open loop: requests never sent, since too many were unanswered.
  std::chrono::nanoseconds elapsed{0};
  LatencyHistogram latency;  // Times of the ok requests, each from when it was due.
  client::Timing server;     // Sums over the ok requests.
  absl::Status refused;  // The first answer, if it says that every request will be refused; then nothing else is sent.
  absl::Status ended;    // Why the measurement ended early: no connection, or a tensor that is not the array.
  bool gave_up = false;  // Answers were still missing when patience ended; they count as DEADLINE_EXCEEDED.

  static constexpr std::chrono::milliseconds kLate{1};

  std::uint64_t failed() const {
    std::uint64_t sum = 0;
    for (const auto& [reason, count] : errors) sum += count;
    return sum;
  }
  double PerSecond() const { return static_cast<double>(ok) / std::chrono::duration<double>(elapsed).count(); }
};

}  // namespace tensorferry::cli
