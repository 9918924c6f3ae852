#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "bench/options.h"

namespace CLI {
class App;
}

namespace tensorferry::cli {

// BenchWords holds the options of `bench` as the user wrote them.
struct BenchWords {
  std::string mode = "unary";
  std::string sizes;
  std::string arrivals = "constant";
  std::string duration = "5s";
  std::string warmup = "1s";
  std::optional<double> rate;
  int outstanding = 1;
  int connections = 1;
  bool digest = false;
};

// AddBenchOptions adds the options of `bench` but for those that other commands have too.
void AddBenchOptions(CLI::App& app, BenchWords& words);

// ParseBenchOptions checks `words`.
// Errors: INVALID_ARGUMENT with one line.
absl::StatusOr<BenchOptions> ParseBenchOptions(const BenchWords& words);

}  // namespace tensorferry::cli
