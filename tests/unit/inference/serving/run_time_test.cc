#include "inference/serving/run_time.h"

#include <gtest/gtest.h>

namespace tensorferry::inference {
namespace {

using std::chrono::microseconds;

void Record(RunTime& time, std::uint64_t nbytes, microseconds each, int times = 3) {
  for (int i = 0; i < times; ++i) time.Record(nbytes, each);
}

TEST(RunTime, KnowsNothingAtFirst) {
  RunTime time;
  EXPECT_FALSE(time.IsShort(0));
  EXPECT_EQ(time.expected().count(), 0);
  Record(time, 100, microseconds(10), 2);
  EXPECT_FALSE(time.IsShort(100)) << "two runs may have been luck";
}

TEST(RunTime, TellsShortRunsFromVeryShortOnes) {
  RunTime time;
  Record(time, 100, microseconds(400));
  EXPECT_TRUE(time.IsShort(100));
  EXPECT_FALSE(time.IsVeryShort(100));
  Record(time, 10, microseconds(100));
  EXPECT_TRUE(time.IsVeryShort(10));
  EXPECT_FALSE(time.IsVeryShort(100));
}

TEST(RunTime, TakesUpToTwiceWhatWasShort) {
  RunTime time;
  Record(time, 100, microseconds(10));
  EXPECT_TRUE(time.IsShort(1));
  EXPECT_TRUE(time.IsShort(201));
  EXPECT_FALSE(time.IsShort(202));
  Record(time, 201, microseconds(20), 1);
  EXPECT_TRUE(time.IsShort(402));
}

TEST(RunTime, IsWarnedByALongRun) {
  RunTime time;
  Record(time, 1000, microseconds(10));
  Record(time, 800, microseconds(1600), 1);
  EXPECT_FALSE(time.IsShort(10)) << "until it was short again, and again";
  Record(time, 10, microseconds(10));
  EXPECT_TRUE(time.IsShort(10));
  EXPECT_FALSE(time.IsShort(1600)) << "not what was long";
}

TEST(RunTime, LeavesAsTheyAreThoseThatAreNeitherShortNorLong) {
  RunTime time;
  Record(time, 100, microseconds(1000), 10);
  EXPECT_FALSE(time.IsShort(1));
  RunTime known;
  Record(known, 100, microseconds(10));
  Record(known, 100, microseconds(1000), 10);
  EXPECT_TRUE(known.IsShort(100));
}

TEST(RunTime, ExpectsWhatFastRunsTook) {
  RunTime time;
  Record(time, 1, microseconds(800), 2);
  EXPECT_EQ(time.expected().count(), 0) << "two runs may have been bad luck";
  Record(time, 1, microseconds(800), 1);
  EXPECT_EQ(time.expected(), microseconds(800));
  Record(time, 1, microseconds(80), 1);
  EXPECT_EQ(time.expected(), microseconds(80));
  Record(time, 1, microseconds(880), 1);
  EXPECT_EQ(time.expected(), microseconds(180));
}

}  // namespace
}  // namespace tensorferry::inference
