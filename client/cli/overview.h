#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/json_text.h"

namespace tensorferry::cli {

// Figures is what /metrics says of a whole server at one moment.
struct Figures {
  std::map<double, double> answered;      // How many requests with arrays took at most so many seconds.
  std::map<std::string, double> refused;  // How many requests were refused or have failed, by reason.
  double waiting = 0;                     // Requests that wait for a model.
  double in_flight = 0;                   // Requests that are being worked on.
  double memory = 0;                      // Bytes of the memory budget that are in use, and the whole of it.
  double budget = 0;
};

// FiguresIn reads the text of /metrics.
// Errors: INVALID_ARGUMENT if it has not what a server of ours says there.
absl::StatusOr<Figures> FiguresIn(std::string_view metrics);

// QuantileOf returns the time that a share of the requests did not exceed, in seconds: between the bounds of its bucket in
// proportion, as Prometheus's histogram_quantile does. NaN if there are no requests.
double QuantileOf(const std::map<double, double>& answered, double share);

// Overview says what a whole server has done between two moments, and what it does at the second one.
struct Overview {
  double requests_per_s = 0;  // Those with arrays.
  double p50_s = 0;           // Of these requests. NaN if there were none.
  double p99_s = 0;
  std::vector<std::pair<std::string, double>>
      refused_per_s;  // By reason, the most first; those with none are left out.
  Figures now = {};
};

// OverviewBetween compares two moments that are so many seconds apart. A server that has begun anew since `before` counts
// from then on.
Overview OverviewBetween(const Figures& before, const Figures& now, double seconds);

// OverviewText writes lines of at most 80 characters for people.
std::string OverviewText(const Overview& overview);
inline constexpr std::size_t kOverviewLines = 3;

// NumberJson writes null for what is no number.
Json NumberJson(double number);

// OverviewJson writes an object for programs.
Json OverviewJson(const Overview& overview);

}  // namespace tensorferry::cli
