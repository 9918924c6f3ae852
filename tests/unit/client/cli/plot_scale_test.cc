#include "cli/plot_scale.h"

#include <gmock/gmock.h>

#include <utility>
#include <vector>

namespace tensorferry::cli {
namespace {

using testing::DoubleNear;
using testing::Pointwise;

constexpr double kNear = 1e-9;

auto Near(std::vector<double> values) { return Pointwise(DoubleNear(kNear), std::move(values)); }

TEST(PlotScale, BeginsAtZeroAndEndsAtARoundNumber) {
  const PlotScale scale({30, 90});
  EXPECT_THAT(scale.ticks(), Near({0, 50, 100}));
  EXPECT_NEAR(scale.At(25), 0.25, kNear);
  EXPECT_THAT(PlotScale({0.3}).ticks(), Near({0, 0.1, 0.2, 0.3}));
}

TEST(PlotScale, HasPowersOfTenForValuesThatDifferMuch) {
  const PlotScale scale({2, 700, 0});
  EXPECT_THAT(scale.ticks(), Near({1, 10, 100, 1000}));
  EXPECT_NEAR(scale.At(10), 1.0 / 3, kNear);
  EXPECT_EQ(scale.At(0.5), 0);
}

TEST(PlotScale, IsThereWithoutValues) {
  EXPECT_FALSE(PlotScale({}).ticks().empty());
  EXPECT_FALSE(PlotScale({0}).ticks().empty());
}

TEST(Ticks, AreShort) {
  EXPECT_EQ(TickText(0), "0");
  EXPECT_EQ(TickText(0.1), "0.1");
  EXPECT_EQ(TickText(2500), "2.5k");
  EXPECT_EQ(TickText(1e7), "10M");
}

}  // namespace
}  // namespace tensorferry::cli
