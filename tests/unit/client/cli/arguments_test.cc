#include "cli/arguments.h"

#include <gmock/gmock.h>

#include <ostream>

#include "testing/status_matchers.h"

namespace tensorferry::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

absl::StatusOr<Arguments> Parse(const std::vector<std::string>& words) { return ParseArguments(words); }

TEST(Arguments, AreReadInAnyOrder) {
  const auto arguments = Parse({"convert", "--strict", "x.npy", "--timeout", "2m", "-", "--server", "unix:/s", "-o",
                                "out.npz", "--model=m", "--json", "--dtype", "bfloat16"});
  ASSERT_THAT(arguments, IsOk());
  EXPECT_EQ(arguments->command, Command::kConvert);
  EXPECT_THAT(arguments->files, ElementsAre("x.npy", "-"));
  EXPECT_EQ(arguments->timeout, std::chrono::minutes(2));
  EXPECT_EQ(arguments->server, "unix:/s");
  EXPECT_EQ(arguments->output, "out.npz");
  EXPECT_EQ(arguments->model, "m");
  EXPECT_EQ(arguments->dtype, "bfloat16");
  EXPECT_TRUE(arguments->json);
  EXPECT_TRUE(arguments->strict);
}

TEST(Arguments, TakeTheServerFromTheEnvironmentUnlessGiven) {
  ASSERT_EQ(setenv("TENSORFERRY_SERVER", "there:1", 1), 0);
  EXPECT_EQ(Parse({"ping"})->server, "there:1");
  EXPECT_EQ(Parse({"ping", "--server", "here:2"})->server, "here:2");
  ASSERT_EQ(unsetenv("TENSORFERRY_SERVER"), 0);
  EXPECT_EQ(Parse({"ping"})->server, "127.0.0.1:8001");
}

TEST(Arguments, SayHowElementsTravel) {
  EXPECT_EQ(Parse({"convert", "x.npy"})->transport, client::Transport::kAuto);
  EXPECT_EQ(Parse({"convert", "x.npy", "--transport", "bytes"})->transport, client::Transport::kBytes);
  EXPECT_EQ(Parse({"convert", "x.npy", "--transport", "sealed"})->transport, client::Transport::kSealed);
}

TEST(Arguments, BindFilesToInputs) {
  const auto arguments = Parse({"infer", "m", "--input", "x=a=b.npy", "--input=y=-"});
  ASSERT_THAT(arguments, IsOk());
  EXPECT_EQ(arguments->model, "m");
  ASSERT_EQ(arguments->inputs.size(), 2);
  EXPECT_EQ(arguments->inputs[0].name, "x");
  EXPECT_EQ(arguments->inputs[0].file, "a=b.npy");
  EXPECT_EQ(arguments->inputs[1].file, "-");
  EXPECT_EQ(Parse({"bench", "--input", "a.npy"})->inputs[0].name, "");
}

TEST(Arguments, PingForReadinessUnlessToldOtherwise) {
  EXPECT_EQ(Parse({"ping"})->service, "tensorferry.v1.TensorService");
  EXPECT_EQ(Parse({"ping", "--ready"})->service, "tensorferry.v1.TensorService");
  EXPECT_EQ(Parse({"ping", "--live"})->service, "");
  EXPECT_EQ(Parse({"ping", "--service", "model:a"})->service, "model:a");
}

TEST(Arguments, SayHowOftenAndHowLongToTry) {
  const auto plain = Parse({"convert", "x.npy"});
  EXPECT_EQ(plain->retries, 0);
  EXPECT_FALSE(plain->wait);
  const auto patient = Parse({"infer", "m", "--input", "x=y", "--retries", "3", "--wait"});
  EXPECT_EQ(patient->retries, 3);
  EXPECT_TRUE(patient->wait);
}

TEST(Arguments, TakeMetricsFromAnAddress) {
  EXPECT_FALSE(Parse({"top"})->metrics);
  EXPECT_EQ(Parse({"top", "--metrics", "https://h:1"})->metrics->path, "/metrics");
  EXPECT_EQ(Parse({"top", "--metrics", "http://h:1/a/metrics"})->metrics->path, "/a/metrics");
}

TEST(Arguments, AskedForHelpBeginWithExamples) {
  const auto arguments = Parse({"--help"});
  ASSERT_THAT(arguments, IsOk());
  EXPECT_EQ(arguments->command, Command::kHelp);
  EXPECT_THAT(arguments->help, testing::StartsWith("Examples:"));
  EXPECT_THAT(Parse({"convert", "--help"})->help, HasSubstr("tensorferry convert [OPTIONS] FILE"));
}

TEST(Arguments, KnowTheVersionBothWays) {
  EXPECT_EQ(Parse({"version"})->command, Command::kVersion);
  EXPECT_EQ(Parse({"--version"})->command, Command::kVersion);
}

struct UsageCase {
  std::string name;
  std::vector<std::string> words;
  std::string message;
  friend void PrintTo(const UsageCase& c, std::ostream* out) { *out << c.name; }
};
class ArgumentsRefused : public testing::TestWithParam<UsageCase> {};

TEST_P(ArgumentsRefused, SayingWhy) {
  const auto arguments = Parse(GetParam().words);
  EXPECT_EQ(arguments.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(arguments.status().message()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Usage, ArgumentsRefused,
    testing::ValuesIn(std::vector<UsageCase>{
        {"Nothing", {}, "a command is missing"},
        {"UnknownCommand", {"convret", "x.npy"}, "unknown command 'convret'; did you mean convert?"},
        {"FarCommand", {"xyz"}, "unknown command 'xyz'; see --help"},
        {"UnknownOption", {"convert", "x.npy", "--modle=m"}, "unknown option '--modle'; did you mean --model?"},
        {"NoFile", {"convert"}, "FILE is required; see tensorferry convert --help"},
        {"ExtraWord", {"ping", "x"}, "unexpected argument 'x'"},
        {"NoValue", {"convert", "x.npy", "--model"}, "--model"},
        {"BadTimeout",
         {"convert", "x.npy", "--timeout", "3"},
         "--timeout: expected a time from 1ms to 576h, in ms, s, m or h, got '3'; write 3s"},
        {"NoTimeout", {"ping", "--timeout", "0s"}, "--timeout: expected a time from 1ms"},
        {"BadTransport",
         {"convert", "x.npy", "--transport", "fast"},
         "--transport 'fast' is not auto, bytes or sealed"},
        {"SealedChunks", {"bench", "--mode", "chunks", "--transport", "sealed"}, "--transport sealed sends no chunks"},
        {"TransportOfNothing", {"ping", "--transport", "bytes"}, "unknown option '--transport'"},
        {"LongTimeout", {"ping", "--timeout", "577h"}, "got '577h'"},
        {"FarOption", {"ping", "--foo"}, "unknown option '--foo'; see --help"},
        {"NoModel", {"infer", "--input", "x=a.npy"}, "MODEL is required"},
        {"NoInput", {"infer", "m"}, "--input is required"},
        {"InputWithoutName", {"infer", "m", "--input", "a.npy"}, "'a.npy': expected NAME=FILE"},
        {"InputTwice", {"infer", "m", "--input", "x=a", "--input", "x=b"}, "'x': the input is named twice"},
        {"NoMetrics",
         {"top", "--metrics", "localhost:8002"},
         "'localhost:8002': expected http://HOST:PORT or https://"},
        {"MetricsOfOthers", {"stats", "--metrics", "http://h:1"}, "unknown option '--metrics'"},
        {"TooManyRetries", {"convert", "x.npy", "--retries", "1001"}, "--retries"},
        {"RetriesOfNothing", {"ping", "--retries", "1"}, "unknown option '--retries'"},
        {"NoReports", {"top", "--count", "0"}, "--count 0"},
        {"ShortInterval", {"top", "--interval", "1ms"}, "--interval: expected a time from 50ms"},
        {"NpyOutput", {"convert", "x.npy", "-o", "y.npy"}, "-o takes OUT.npz, OUT.safetensors, or a directory"},
        {"StdinTwice", {"convert", "-", "-"}, "only once"},
    }),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tensorferry::cli
