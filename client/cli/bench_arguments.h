#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "bench/options.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace tensorferry::cli {

// BenchWords holds the options of `bench` as the user wrote them.
struct BenchWords {
  std::string mode = "unary";
  std::string sizes;
  std::string arrivals = "constant";
  std::string duration = "5s";
  std::string warmup = "1s";
  std::optional<double> rate;
  std::string outstanding = "1";
  int connections = 1;
  bool digest = false;
};

// AddBenchOptions adds the options of `bench` but for those that other commands have too. Of these `input` is an option
// of `app` already.
void AddBenchOptions(CLI::App& app, BenchWords& words, CLI::Option* input);

// ParseBenchOptions checks `words`.
// Errors: INVALID_ARGUMENT with one line.
absl::StatusOr<BenchOptions> ParseBenchOptions(const BenchWords& words);

}  // namespace tensorferry::cli
