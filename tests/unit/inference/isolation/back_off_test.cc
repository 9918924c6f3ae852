#include "inference/isolation/back_off.h"

#include <gtest/gtest.h>

#include <vector>

namespace tensorferry::inference {
namespace {

using std::chrono::milliseconds;

TEST(BackOff, StartsAtOnceAndThenWaitsTwiceAsLongEachTime) {
  BackOff back_off;
  std::vector<milliseconds> delays;
  for (int i = 0; i < 8; ++i) delays.push_back(back_off.AfterCrash(milliseconds(1)));
  EXPECT_EQ(delays, (std::vector<milliseconds>{milliseconds(0), milliseconds(50), milliseconds(100), milliseconds(200),
                                               milliseconds(400), milliseconds(800), BackOff::kMaxAfterCrash,
                                               BackOff::kMaxAfterCrash}));
}

TEST(BackOff, AWorkerThatLivedLongStartsAtOnceAgain) {
  BackOff back_off;
  for (int i = 0; i < 5; ++i) back_off.AfterCrash(milliseconds(1));
  EXPECT_EQ(back_off.AfterCrash(BackOff::kHealthy), milliseconds(0));
  EXPECT_EQ(back_off.AfterCrash(BackOff::kHealthy - milliseconds(1)), milliseconds(50));
}

TEST(BackOff, AFailedStartIsNeverTriedAgainAtOnceAndWaitsLongerInTheEnd) {
  BackOff back_off;
  EXPECT_EQ(back_off.AfterFailure(), milliseconds(50));
  EXPECT_EQ(back_off.AfterFailure(), milliseconds(100));
  for (int i = 0; i < 1000; ++i) EXPECT_GT(back_off.AfterFailure(), milliseconds(0));
  EXPECT_EQ(back_off.AfterFailure(), BackOff::kMaxAfterFailure);
  EXPECT_EQ(back_off.AfterCrash(milliseconds(1)), BackOff::kMaxAfterCrash);
}

}  // namespace
}  // namespace tensorferry::inference
