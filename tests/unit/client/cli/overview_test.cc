// These tests read the text of /metrics, and compare two moments of a server.
#include "cli/overview.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "testing/status_matchers.h"

namespace tensorferry::cli {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::Pair;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

constexpr const char* kMetrics = R"(# HELP grpc_server_handling_seconds Time "of" requests.
# TYPE grpc_server_handling_seconds histogram
grpc_server_handling_seconds_bucket{grpc_type="unary",grpc_service="s",grpc_method="Convert",le="0.001"} 6
grpc_server_handling_seconds_bucket{grpc_type="unary",grpc_service="s",grpc_method="Convert",le="+Inf"} 8
grpc_server_handling_seconds_sum{grpc_type="unary",grpc_service="s",grpc_method="Convert"} 0.25
grpc_server_handling_seconds_bucket{grpc_type="unary",grpc_service="s",grpc_method="ModelStreamInfer",le="0.001"} 1
grpc_server_handling_seconds_bucket{grpc_type="unary",grpc_service="s",grpc_method="ModelStreamInfer",le="+Inf"} 2
grpc_server_handling_seconds_bucket{grpc_type="unary",grpc_service="s",grpc_method="ServerLive",le="0.001"} 900
grpc_server_handling_seconds_bucket{grpc_type="unary",grpc_service="s",grpc_method="ServerLive",le="+Inf"} 900
tensorferry_rejected_total{reason="QUEUE_FULL"} 4
tensorferry_rejected_total{reason="BAD_DTYPE"} 0
tensorferry_queue_depth{model="a\"} 7,le=\"",version="1"} 2
tensorferry_queue_depth{model="b",version="1"} 1
tensorferry_inflight_requests 5
tensorferry_inflight_bytes 1.5e+06
tensorferry_budget_bytes 4194304
)";

TEST(Figures, AreThoseOfTheText) {
  const auto figures = FiguresIn(kMetrics);
  ASSERT_THAT(figures, IsOk());
  EXPECT_THAT(figures->answered, ElementsAre(Pair(0.001, 7), Pair(kInfinity, 10)));
  EXPECT_THAT(figures->refused, ElementsAre(Pair("BAD_DTYPE", 0), Pair("QUEUE_FULL", 4)));
  EXPECT_EQ(figures->waiting, 3);
  EXPECT_EQ(figures->in_flight, 5);
  EXPECT_EQ(figures->memory, 1.5e6);
  EXPECT_EQ(figures->budget, 4 << 20);
}

TEST(Figures, AreNotInWhatOthersSay) {
  for (const char* const text : {"", "\n", "<!doctype html>\n", "up 1\n", "{ \n}", "tensorferry_budget_bytes 1"}) {
    EXPECT_EQ(FiguresIn(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

// The values are those of histogram_quantile in Prometheus.
TEST(Quantile, LiesInProportionBetweenTheBoundsOfItsBucket) {
  const std::map<double, double> answered{{0.1, 0}, {0.2, 50}, {0.4, 100}, {kInfinity, 100}};
  EXPECT_NEAR(QuantileOf(answered, 0.25), 0.15, 1e-12);
  EXPECT_NEAR(QuantileOf(answered, 0.5), 0.2, 1e-12);
  EXPECT_NEAR(QuantileOf(answered, 0.99), 0.396, 1e-12);
  EXPECT_NEAR(QuantileOf({{0.1, 10}, {kInfinity, 10}}, 0.5), 0.05, 1e-12);
}

TEST(Quantile, OfRequestsAboveAllBoundsIsTheLastBound) {
  EXPECT_EQ(QuantileOf({{0.1, 1}, {kInfinity, 10}}, 0.99), 0.1);
}

TEST(Quantile, OfNothingIsNoNumber) {
  EXPECT_TRUE(std::isnan(QuantileOf({}, 0.5)));
  EXPECT_TRUE(std::isnan(QuantileOf({{0.1, 0}, {kInfinity, 0}}, 0.5)));
  EXPECT_TRUE(std::isnan(QuantileOf({{0.1, 5}, {kInfinity, std::nan("")}}, 0.5)));
}

Figures After(double requests, double refused) {
  return {.answered = {{0.001, requests}, {0.002, requests}, {kInfinity, requests}},
          .refused = {{"BAD_DTYPE", 1}, {"MEMORY_BUDGET", refused / 2}, {"QUEUE_FULL", refused}},
          .waiting = 1,
          .in_flight = 4,
          .memory = 12 << 20,
          .budget = 3e9};
}

TEST(Overview, IsOfWhatIsNew) {
  const Overview overview = OverviewBetween(After(1000, 10), After(3000, 30), 2);
  EXPECT_EQ(overview.requests_per_s, 1000);
  EXPECT_NEAR(overview.p99_s, 0.00099, 1e-12);
  EXPECT_THAT(overview.refused_per_s, ElementsAre(Pair("QUEUE_FULL", 10), Pair("MEMORY_BUDGET", 5)));
  EXPECT_EQ(OverviewText(overview),
            "1000 req/s, p50 500 µs, p99 990 µs; 4 in flight, 1 waiting\nmemory: 12.0 MiB of 2.8 GiB\n"
            "refused/s: QUEUE_FULL 10.0, MEMORY_BUDGET 5.0\n");
}

// Whoever answers at the address writes to the terminal.
TEST(Overview, EscapesWhatSteersATerminal) {
  const Overview overview{.refused_per_s = {{"\x1b[2J", 1}}};
  EXPECT_THAT(OverviewText(overview), EndsWith("refused/s: \\x1b[2J 1.0\n"));
}

TEST(Overview, OfAServerThatHasBegunAnewCountsFromThen) {
  EXPECT_EQ(OverviewBetween(After(1000, 10), After(30, 0), 1).requests_per_s, 30);
  EXPECT_THAT(OverviewBetween(After(0, 10), After(30, 4), 1).refused_per_s,
              ElementsAre(Pair("QUEUE_FULL", 4), Pair("MEMORY_BUDGET", 2), Pair("BAD_DTYPE", 1)));
}

TEST(Overview, SaysWhatThereIsNot) {
  const Overview idle = OverviewBetween(After(5, 0), After(5, 0), 1);
  EXPECT_EQ(OverviewText(idle),
            "0.0 req/s, p50 -, p99 -; 4 in flight, 1 waiting\nmemory: 12.0 MiB of 2.8 GiB\nrefused/s: none\n");
  EXPECT_EQ(JsonText(OverviewJson(idle)),
            R"({"requests_per_s":0.0,"p50_us":null,"p99_us":null,"in_flight":4.0,"waiting":1.0,)"
            R"("memory_bytes":12582912.0,"budget_bytes":3000000000.0,"refused_per_s":{}})");
}

}  // namespace
}  // namespace tensorferry::cli
