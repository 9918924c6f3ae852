// These tests parse the options of `tensorferry bench`.
#include <gmock/gmock.h>

#include <ostream>

#include "cli/arguments.h"
#include "testing/status_matchers.h"

namespace tensorferry::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

absl::StatusOr<Arguments> ParseBench(std::vector<std::string> words) {
  words.insert(words.begin(), "bench");
  return ParseArguments(words);
}

TEST(BenchArguments, HaveDefaults) {
  const auto arguments = ParseBench({});
  ASSERT_THAT(arguments, IsOk());
  EXPECT_EQ(arguments->command, Command::kBench);
  EXPECT_EQ(arguments->dtype, "float32");
  const BenchOptions& options = arguments->bench;
  EXPECT_EQ(options.mode, BenchMode::kUnary);
  EXPECT_THAT(options.sizes, ElementsAre(64, 4 << 10, 64 << 10, 1 << 20, 16 << 20));
  EXPECT_EQ(options.outstanding, 1);
  EXPECT_FALSE(options.rate);
  EXPECT_EQ(options.duration, std::chrono::seconds(5));
  EXPECT_EQ(options.warmup, std::chrono::seconds(1));
  EXPECT_EQ(options.patience, std::chrono::seconds(10));
  EXPECT_THAT(ParseBench({"--mode", "chunks"})->bench.sizes, ElementsAre(16 << 20, 256 << 20));
}

TEST(BenchArguments, AreRead) {
  const auto arguments =
      ParseBench({"--mode=stream", "--size",     "12,3KiB,1GiB", "--dtype",    "int8",    "--digest", "--rate",
                  "2.5",           "--arrivals", "poisson",      "--duration", "300ms",   "--warmup", "0s",
                  "--connections", "7",          "--timeout",    "2s",         "--model", "m",        "--json"});
  ASSERT_THAT(arguments, IsOk());
  const BenchOptions& options = arguments->bench;
  EXPECT_EQ(options.mode, BenchMode::kStream);
  EXPECT_THAT(options.sizes, ElementsAre(12, 3 << 10, 1 << 30));
  EXPECT_TRUE(options.digest);
  EXPECT_EQ(options.rate, 2.5);
  EXPECT_EQ(options.arrivals, Arrivals::kPoisson);
  EXPECT_EQ(options.duration, std::chrono::milliseconds(300));
  EXPECT_EQ(options.warmup, std::chrono::milliseconds(0));
  EXPECT_EQ(options.connections, 7);
  EXPECT_EQ(options.patience, std::chrono::seconds(2));
  EXPECT_EQ(arguments->dtype, "int8");
  EXPECT_EQ(arguments->model, "m");
  EXPECT_TRUE(arguments->json);
  EXPECT_THAT(ParseBench({"--outstanding", "32"})->bench.swept, ElementsAre(32));
  EXPECT_THAT(ParseBench({"--outstanding", "1,8,32"})->bench.swept, ElementsAre(1, 8, 32));
}

struct BenchUsageCase {
  std::string name;
  std::vector<std::string> words;
  std::string message;
  friend void PrintTo(const BenchUsageCase& c, std::ostream* out) { *out << c.name; }
};
class BenchArgumentsRefused : public testing::TestWithParam<BenchUsageCase> {};

TEST_P(BenchArgumentsRefused, SayingWhy) {
  const auto arguments = ParseBench(GetParam().words);
  EXPECT_EQ(arguments.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(arguments.status().message()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Usage, BenchArgumentsRefused,
    testing::ValuesIn(std::vector<BenchUsageCase>{
        {"Mode", {"--mode", "callback"}, "--mode 'callback' is not unary, stream or chunks"},
        {"SizeOfAnotherUnit",
         {"--size", "1KB"},
         "--size: expected a size from 1B to 64GiB, in B, KiB, MiB or GiB, "
         "got '1KB'; write 1KiB"},
        {"SizeOfNothing", {"--size", "0B"}, "got '0B'"},
        {"SizeMissing", {"--size", "64B,"}, "got ''"},
        {"SizeTooLarge", {"--size", "64B,65GiB"}, "got '65GiB'"},
        {"SizeBeyondNumbers", {"--size", "99999999999999999999B"}, "got '99999999999999999999B'"},
        {"BothLoops", {"--rate", "5", "--outstanding", "5"}, "excludes"},
        {"ArrivalsOfAClosedLoop", {"--arrivals", "poisson"}, "requires --rate"},
        {"Arrivals", {"--rate", "5", "--arrivals", "normal"}, "--arrivals 'normal' is not constant or poisson"},
        {"RateNegative", {"--rate", "-5"}, "--rate -5 is not a number from"},
        {"RateZero", {"--rate", "0"}, "--rate 0 is not a number from"},
        {"RateNan", {"--rate", "nan"}, "--rate nan is not a number from"},
        {"OutstandingNone", {"--outstanding", "0"}, "--outstanding 0 is not a number from 1"},
        {"ConnectionsNone", {"--connections", "0"}, "--connections 0 is not a number from 1"},
        {"Duration", {"--duration", "0s"}, "--duration: expected a time from 1ms to 576h, in ms, s, m or h, got '0s'"},
        {"Warmup", {"--warmup", "1"}, "--warmup: expected a time from 0s to 576h, in ms, s, m or h, got '1'; write 1s"},
        {"File", {"x.npy"}, "unexpected argument 'x.npy'"},
    }),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tensorferry::cli
