#include "inference/serving/arrival_pattern.h"

#include <gtest/gtest.h>

namespace tensorferry::inference {
namespace {

// CountAlone returns how many of a hundred requests are expected to come alone.
int CountAlone(ArrivalPattern& arrivals) {
  int count = 0;
  for (int i = 0; i < 100; ++i) count += arrivals.ExpectsOne() ? 1 : 0;
  return count;
}

TEST(ArrivalPattern, ExpectsMoreUntilRequestsCameAlone) {
  ArrivalPattern arrivals;
  EXPECT_EQ(CountAlone(arrivals), 0);
  for (int i = 0; i < 7; ++i) arrivals.Record(1);
  EXPECT_EQ(CountAlone(arrivals), 0);
  arrivals.Record(1);
  EXPECT_EQ(CountAlone(arrivals), 94) << "every 16th is checked";
}

TEST(ArrivalPattern, ExpectsMoreAgainOnceTwoCameTogether) {
  ArrivalPattern arrivals;
  for (int i = 0; i < 100; ++i) arrivals.Record(1);
  arrivals.Record(2);
  EXPECT_EQ(CountAlone(arrivals), 0);
}

}  // namespace
}  // namespace tensorferry::inference
