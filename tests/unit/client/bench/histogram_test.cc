#include "bench/histogram.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <ostream>
#include <random>
#include <string>

namespace tensorferry::cli {
namespace {

using std::chrono::nanoseconds;

struct Latencies {
  std::string name;
  std::function<std::int64_t(std::mt19937_64&)> next;  // Nanoseconds.
  friend void PrintTo(const Latencies& c, std::ostream* out) { *out << c.name; }
};
class Histogram : public testing::TestWithParam<Latencies> {};

TEST_P(Histogram, IsWithinOnePercentOfTheSortedLatencies) {
  std::mt19937_64 random(7);
  for (const std::size_t count : {1UL, 2UL, 3UL, 10UL, 999UL, 100'000UL}) {
    LatencyHistogram histogram;
    std::vector<std::int64_t> sorted;
    for (std::size_t i = 0; i < count; ++i) {
      sorted.push_back(GetParam().next(random));
      histogram.Add(nanoseconds(sorted.back()));
    }
    std::ranges::sort(sorted);
    for (const double share : {0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(count)));
      const auto exact = static_cast<double>(sorted[rank - 1]);
      EXPECT_NEAR(static_cast<double>(histogram.Quantile(share).count()), exact, exact / 100) << share;
    }
    EXPECT_EQ(histogram.count(), count);
    EXPECT_EQ(histogram.max(), nanoseconds(sorted.back()));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Of, Histogram,
    testing::ValuesIn(std::vector<Latencies>{
        {"Equal", [](std::mt19937_64&) { return 123'456'789; }},
        {"Few", [](std::mt19937_64& random) { return std::uniform_int_distribution<std::int64_t>(0, 400)(random); }},
        {"Even", [](std::mt19937_64& random) { return std::uniform_int_distribution(20'000, 900'000)(random); }},
        {"LongTail",
         [](std::mt19937_64& random) { return std::llround(std::lognormal_distribution(11.0, 2.0)(random)); }},
        {"Anything",
         [](std::mt19937_64& random) { return static_cast<std::int64_t>(random() >> (1 + random() % 63)); }},
    }),
    [](const auto& test) { return test.param.name; });

TEST(EmptyHistogram, HasNoLatencies) {
  EXPECT_EQ(LatencyHistogram().Quantile(0.5), nanoseconds(0));
  EXPECT_EQ(LatencyHistogram().max(), nanoseconds(0));
}

TEST(HistogramOfExtremes, TakesThem) {
  LatencyHistogram histogram;
  histogram.Add(nanoseconds(-1));
  histogram.Add(nanoseconds::max());
  EXPECT_EQ(histogram.Quantile(0.5), nanoseconds(0));
  EXPECT_NEAR(static_cast<double>(histogram.Quantile(1).count()), static_cast<double>(nanoseconds::max().count()),
              1e17);
}

}  // namespace
}  // namespace tensorferry::cli
