#include "bench/arrivals.h"

#include <gmock/gmock.h>

namespace tensorferry::cli {
namespace {

using Clock = ArrivalSchedule::Clock;

const Clock::time_point kStart(std::chrono::hours(5));

std::vector<Clock::time_point> First(std::size_t count, ArrivalSchedule schedule) {
  std::vector<Clock::time_point> times;
  for (; times.size() < count; schedule.Advance()) times.push_back(schedule.next());
  return times;
}

TEST(ConstantArrivals, KeepTheRateWithoutDrift) {
  const auto times = First(300'001, ArrivalSchedule(3000, Arrivals::kConstant, kStart));
  EXPECT_EQ(times[0], kStart);
  EXPECT_NEAR(static_cast<double>((times[1] - kStart).count()), 1e9 / 3000, 1);
  EXPECT_NEAR(static_cast<double>((times.back() - kStart).count()), 100e9, 1);
}

TEST(PoissonArrivals, HaveTheRateAndTheSpreadOfTheirDistribution) {
  constexpr std::size_t kCount = 200'000;
  const auto times = First(kCount + 1, ArrivalSchedule(1000, Arrivals::kPoisson, kStart));
  double sum = 0;
  double squares = 0;
  for (std::size_t i = 0; i < kCount; ++i) {
    const double gap = std::chrono::duration<double>(times[i + 1] - times[i]).count();
    ASSERT_GE(gap, 0);
    sum += gap;
    squares += gap * gap;
  }
  const double mean = sum / kCount;
  EXPECT_NEAR(mean, 1e-3, 2e-5);
  EXPECT_NEAR(squares / kCount - mean * mean, 1e-6, 5e-8);  // Exponential: the variance is the mean squared.
}

TEST(PoissonArrivals, AreTheSameInEveryRun) {
  EXPECT_EQ(First(1000, ArrivalSchedule(50, Arrivals::kPoisson, kStart)),
            First(1000, ArrivalSchedule(50, Arrivals::kPoisson, kStart)));
}

}  // namespace
}  // namespace tensorferry::cli
