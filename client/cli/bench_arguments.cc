#include "cli/bench_arguments.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/text.h"
#include "cli/values.h"

namespace tensorferry::cli {
namespace {

constexpr const char* kAboutBench =
    R"(Load of one request at a time, or of --outstanding at any time (closed loop), or of --rate requests per second
whatever the server does (open loop): latencies then count from when a request was due. Ctrl-C ends early with the
results so far.)";

constexpr std::uint64_t kMaxSize = std::uint64_t{64} << 30;
constexpr std::uint64_t kMaxOutstanding = 10'000;
constexpr int kMaxConnections = 1'000;
constexpr double kMinRate = 0.01;
constexpr double kMaxRate = 1e6;

template <typename T>
absl::Status CheckRange(const char* option, T value, T min, T max) {
  if (value >= min && value <= max) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("{} {} is not a number from {} to {}", option, value, min, max));
}

// Returns what stands between the commas.
std::vector<std::string_view> BetweenCommas(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::size_t comma = text.find(','); comma != std::string_view::npos; comma = text.find(',')) {
    words.push_back(text.substr(0, comma));
    text.remove_prefix(comma + 1);
  }
  words.push_back(text);
  return words;
}

absl::StatusOr<std::vector<int>> ParseOutstanding(std::string_view text) {
  std::vector<int> numbers;
  for (const std::string_view word : BetweenCommas(text)) {
    const auto number = ParseNumber(word);
    if (!number || *number < 1 || *number > kMaxOutstanding) {
      return absl::InvalidArgumentError(
          fmt::format("--outstanding {} is not a number from 1 to {}", word, kMaxOutstanding));
    }
    numbers.push_back(static_cast<int>(*number));
  }
  return numbers;
}

}  // namespace

void AddBenchOptions(CLI::App& app, BenchWords& words, CLI::Option* input) {
  app.footer(kAboutBench);
  app.add_option("--mode", words.mode, "unary (default): calls; stream: pipelined on a stream; chunks: large arrays")
      ->type_name("unary|stream|chunks");
  app.add_option("--size", words.sizes, "bytes of elements per request, measured in turn: 64B,1MiB")
      ->type_name("SIZE,...")
      ->excludes(input);
  app.add_flag("--digest", words.digest, "ask for the digest of each tensor");
  CLI::Option* const outstanding = app.add_option("--outstanding", words.outstanding,
                                                  "unanswered requests per connection, at any time, in turn: 1,8")
                                       ->type_name("N,...");
  CLI::Option* const rate =
      app.add_option("--rate", words.rate, "requests per second, in all")->type_name("R")->excludes(outstanding);
  app.add_option("--arrivals", words.arrivals, "with --rate: constant (default) or poisson")
      ->type_name("constant|poisson")
      ->needs(rate);
  app.add_option("--connections", words.connections, "each a socket of its own (default 1)")->type_name("N");
  app.add_option("--duration", words.duration, "of each size (default 5s)")->type_name("DURATION");
  app.add_option("--warmup", words.warmup, "of each size, not counted (default 1s); 0s for none")
      ->type_name("DURATION");
}

absl::StatusOr<BenchOptions> ParseBenchOptions(const BenchWords& words) {
  BenchOptions options{.sizes_given = !words.sizes.empty(),
                       .digest = words.digest,
                       .rate = words.rate,
                       .connections = words.connections};
  const auto mode = std::ranges::find(kBenchModes, words.mode, &BenchModeInfo::name);
  if (mode == kBenchModes.end()) {
    return absl::InvalidArgumentError(fmt::format("--mode {} is not unary, stream or chunks", Quote(words.mode)));
  }
  options.mode = mode->mode;
  if (words.arrivals != "constant" && words.arrivals != "poisson") {
    return absl::InvalidArgumentError(fmt::format("--arrivals {} is not constant or poisson", Quote(words.arrivals)));
  }
  options.arrivals = words.arrivals == "poisson" ? Arrivals::kPoisson : Arrivals::kConstant;
  TENSORFERRY_ASSIGN_OR_RETURN(options.swept, ParseOutstanding(words.outstanding));
  options.outstanding = options.swept.front();
  TENSORFERRY_RETURN_IF_ERROR(CheckRange("--connections", words.connections, 1, kMaxConnections));
  if (words.rate) TENSORFERRY_RETURN_IF_ERROR(CheckRange("--rate", *words.rate, kMinRate, kMaxRate));
  TENSORFERRY_ASSIGN_OR_RETURN(options.duration, ParseTimeOption("--duration", words.duration, kLeastTime));
  TENSORFERRY_ASSIGN_OR_RETURN(options.warmup, ParseTimeOption("--warmup", words.warmup, std::chrono::milliseconds(0)));
  for (const std::string_view text : BetweenCommas(words.sizes.empty() ? mode->default_sizes : words.sizes)) {
    TENSORFERRY_ASSIGN_OR_RETURN(const std::uint64_t size, ParseSizeOption("--size", text, kMaxSize));
    options.sizes.push_back(size);
  }
  return options;
}

}  // namespace tensorferry::cli
