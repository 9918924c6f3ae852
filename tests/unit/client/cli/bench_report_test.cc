// These tests read what bench prints.
#include "cli/bench_report.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace tensorferry::cli {
namespace {

using nlohmann::json;
using testing::HasSubstr;

Arguments SomeArguments() {
  Arguments arguments{.server = "unix:/s", .model = "m", .dtype = "int8"};
  arguments.bench = {.mode = BenchMode::kStream, .sizes = {1 << 20}, .digest = true, .outstanding = 4, .swept = {4}};
  return arguments;
}

BenchRow SomeRow() {
  BenchRow row{.size = 1 << 20, .outstanding = 4, .result = {}};
  row.result.ok = 100;
  row.result.errors = {{"MEMORY_BUDGET", 3}, {"QUEUE_FULL", 1}};
  row.result.elapsed = std::chrono::seconds(2);
  for (int i = 1; i <= 100; ++i) row.result.latency.Add(std::chrono::microseconds(i));
  row.result.server = {.receive = std::chrono::microseconds(250), .convert = std::chrono::microseconds(150)};
  return row;
}

TEST(BenchJson, HasEveryFigure) {
  const json bench = json::parse(BenchJson(SomeArguments(), {SomeRow()}, false));
  json row = bench["sizes"][0];
  EXPECT_NEAR(row["latency_us"]["p50"].get<double>(), 50, 0.5);
  EXPECT_NEAR(row["latency_us"]["p99_9"].get<double>(), 100, 1);
  EXPECT_EQ(row["latency_us"]["max"], 100.0);
  row.erase("latency_us");
  EXPECT_EQ(row, json::parse(R"({"nbytes": 1048576, "outstanding": 4, "requests": 104, "ok": 100,
      "errors": {"MEMORY_BUDGET": 3, "QUEUE_FULL": 1}, "late": 0, "unsent": 0, "elapsed_s": 2.0, "requests_per_s": 50.0,
      "bytes_per_s": 52428800.0, "server_mean_us": {"receive": 2.5, "convert": 1.5, "queue": 0.0, "compute": 0.0}})"));
  json head = bench;
  head.erase("sizes");
  EXPECT_EQ(head,
            json::parse(
                R"({"server": "unix:/s", "mode": "stream", "dtype": "int8", "inputs": [], "digest": true, "model": "m",
      "connections": 1, "outstanding": 4, "rate": null, "arrivals": null, "duration_s": 5.0, "warmup_s": 1.0,
      "interrupted": false})"));
}

TEST(BenchJson, OfAnOpenLoopHasItsRate) {
  Arguments arguments = SomeArguments();
  arguments.bench.rate = 12.5;
  arguments.bench.arrivals = Arrivals::kPoisson;
  const json bench = json::parse(BenchJson(arguments, {}, true));
  EXPECT_EQ(bench["outstanding"], nullptr);
  EXPECT_EQ(bench["rate"], 12.5);
  EXPECT_EQ(bench["arrivals"], "poisson");
  EXPECT_EQ(bench["interrupted"], true);
  EXPECT_EQ(bench["sizes"], json::array());
}

TEST(BenchJson, HasTheSameKeysWhereNothingWasAnswered) {
  const json full = json::parse(BenchJson(SomeArguments(), {SomeRow()}, false))["sizes"][0];
  const json empty =
      json::parse(BenchJson(SomeArguments(), {{64, 1, {.elapsed = std::chrono::seconds(1)}}}, false))["sizes"][0];
  for (const auto& [key, value] : full.items()) EXPECT_TRUE(empty.contains(key)) << key;
  for (const char* key : {"p50", "p90", "p99", "p99_9", "max"}) EXPECT_EQ(empty["latency_us"][key], nullptr) << key;
  for (const char* key : {"receive", "convert", "queue", "compute"}) {
    EXPECT_EQ(empty["server_mean_us"][key], nullptr) << key;
  }
}

TEST(BenchText, SaysWhatIsMeasured) {
  EXPECT_THAT(
      BenchHead(SomeArguments()),
      testing::StartsWith("unix:/s: stream int8 with digest through m, 4 outstanding, 5 s each; times in µs\n"));
  Arguments open = SomeArguments();
  open.bench.rate = 12.5;
  open.bench.connections = 3;
  EXPECT_THAT(BenchHead(open), HasSubstr("12.5 requests/s, constant arrivals on 3 connections,"));
}

TEST(BenchText, HasALineForEachSizeAndForEachError) {
  const std::string text = BenchLine(SomeArguments(), SomeRow());
  EXPECT_THAT(text, testing::MatchesRegex("1.0 MiB +4 +104 +4 +50.0 +52.4 +[0-9. ]+\n"
                                          " +MEMORY_BUDGET: 3\n +QUEUE_FULL: 1\n"));
}

TEST(BenchText, FitsEightyColumns) {
  Arguments open = SomeArguments();
  open.bench.rate = 12.5;
  for (const Arguments& arguments : {SomeArguments(), open}) {
    const std::string head = BenchHead(arguments);
    EXPECT_LE(head.size() - head.find('\n') - 2, 80);
    EXPECT_EQ(BenchLine(arguments, SomeRow()).find('\n'), head.size() - head.find('\n') - 2);
  }
}

TEST(BenchCsv, HasALineForEachRow) {
  EXPECT_THAT(BenchCsv({SomeRow(), {64, 0, {.elapsed = std::chrono::seconds(1)}}}),
              testing::MatchesRegex("nbytes,outstanding,requests,.*\n"
                                    "1048576,4,104,100,0,0,2.0,50.0,52428800.0,.*,2.5,1.5,0.0,0.0\n"
                                    "64,,0,0,0,0,1.0,0.0,0.0,,,,,,,,,\n"));
}

}  // namespace
}  // namespace tensorferry::cli
