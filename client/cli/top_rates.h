#pragma once

#include <chrono>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "cli/json_text.h"
#include "cli/overview.h"
#include "tensorferry/client/model_statistics.h"
#include "tensorferry/client/server_info.h"

namespace tensorferry::cli {

// Look is what a server says of its models at one moment.
struct Look {
  std::chrono::steady_clock::time_point at;
  std::vector<client::ModelInfo> models;  // Empty if the server tells them to others only.
  std::vector<client::ModelStatistics> statistics;
  std::optional<Figures> figures;  // Nothing if nobody has asked for them.
};

// Rates says what a version of a model has done between two looks. What cannot be said is NaN.
struct Rates {
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

  std::string name;
  std::string version;
  std::string state;
  double requests_per_s = kNone;  // Answered ones.
  double failures_per_s = kNone;
  double rows_per_run = kNone;
  double waiting = kNone;   // The mean number of requests in the queue, of those that were answered.
  double queue_us = kNone;  // Means of the answered requests, in microseconds.
  double compute_us = kNone;
  double total_us = kNone;
};

// RatesBetween returns the rates of each version that `now` has, the busiest first. A version that has been loaded anew
// since `before` counts from then on.
std::vector<Rates> RatesBetween(const Look& before, const Look& now);

// ReadyText says how many versions are ready: "3 of 4 ready".
std::string ReadyText(const std::vector<Rates>& rates);

// RatesText writes, for people, a table of at most `rows` versions, and the sums of all.
std::string RatesText(const std::vector<Rates>& rates, std::size_t rows);

// RatesJson writes, for programs, a list with an object for each version.
Json RatesJson(const std::vector<Rates>& rates);

}  // namespace tensorferry::cli
