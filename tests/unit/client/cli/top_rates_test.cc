// These tests compare two looks at a server.
#include "cli/top_rates.h"

#include <gmock/gmock.h>

#include <cmath>

namespace tensorferry::cli {
namespace {

using std::chrono::microseconds;

client::ModelStatistics Done(std::uint64_t requests) {
  client::ModelStatistics done;
  done.name = "m";
  done.version = "2";
  done.inference_count = 3 * requests;
  done.execution_count = requests;
  done.success = {requests, requests * microseconds(50)};
  done.fail = {requests / 2, {}};
  done.queue = {requests, requests * microseconds(20)};
  done.compute_infer = {requests, requests * microseconds(30)};
  return done;
}

Look At(int seconds, std::vector<client::ModelStatistics> statistics) {
  Look look;
  look.at += std::chrono::seconds(seconds);
  look.statistics = std::move(statistics);
  return look;
}

TEST(Rates, AreOfWhatIsNew) {
  const Rates rates = RatesBetween(At(1, {Done(1000)}), At(3, {Done(5000)})).at(0);
  EXPECT_EQ(rates.state, "READY");
  EXPECT_EQ(rates.requests_per_s, 2000);
  EXPECT_EQ(rates.failures_per_s, 1000);
  EXPECT_EQ(rates.rows_per_run, 3);
  EXPECT_NEAR(rates.waiting, 0.04, 1e-9);  // 2000 a second, for 20 µs each.
  EXPECT_NEAR(rates.queue_us, 20, 1e-9);
  EXPECT_NEAR(rates.compute_us, 30, 1e-9);
  EXPECT_NEAR(rates.total_us, 50, 1e-9);
}

TEST(Rates, OfAModelThatIsLoadedAnewCountFromThen) {
  EXPECT_EQ(RatesBetween(At(1, {Done(1000)}), At(2, {Done(10)})).at(0).requests_per_s, 10);
  EXPECT_EQ(RatesBetween(At(1, {}), At(2, {Done(10)})).at(0).requests_per_s, 10);
}

TEST(Rates, HaveNoMeansWithoutRequests) {
  const Rates rates = RatesBetween(At(1, {Done(10)}), At(2, {Done(10)})).at(0);
  EXPECT_EQ(rates.requests_per_s, 0);
  for (const double mean : {rates.rows_per_run, rates.queue_us, rates.compute_us, rates.total_us}) {
    EXPECT_TRUE(std::isnan(mean));
  }
}

TEST(Rates, StandWithTheBusiestFirst) {
  Look now = At(2, {Done(10)});
  for (const char* name : {"a", "m"}) {
    client::ModelInfo model;
    model.name = name;
    model.version = "2";
    model.state = *name == 'm' ? client::ModelState::kReady : client::ModelState::kUnavailable;
    now.models.push_back(model);
  }
  const std::vector<Rates> rates = RatesBetween(At(1, {}), now);
  ASSERT_EQ(rates.size(), 2);
  EXPECT_EQ(rates[0].name, "m");
  EXPECT_TRUE(std::isnan(rates[1].requests_per_s));
  EXPECT_EQ(ReadyText(rates), "1 of 2 ready");
  EXPECT_THAT(RatesText(rates, 1), testing::HasSubstr("\nm/2 "));
  EXPECT_THAT(RatesText(rates, 1), testing::EndsWith("and 1 more\n"));
}

}  // namespace
}  // namespace tensorferry::cli
