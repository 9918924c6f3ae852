#include "rpc/serve/sample_limit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace tensorferry::rpc {
namespace {

using std::chrono::milliseconds;
using testing::Optional;

const SampleLimit::Time kBegin{std::chrono::hours(1)};

TEST(SampleLimit, AdmitsTheFirstOfEachSecond) {
  SampleLimit limit;
  for (std::uint64_t i = 0; i < SampleLimit::kMostInASecond; ++i) EXPECT_THAT(limit.Admit(kBegin), Optional(0));
  EXPECT_FALSE(limit.Admit(kBegin + milliseconds(999)).has_value());
  EXPECT_TRUE(limit.Admit(kBegin + milliseconds(1000)).has_value());
}

TEST(SampleLimit, TellsHowManyWereNotAdmittedOnce) {
  SampleLimit limit;
  for (std::uint64_t i = 0; i < SampleLimit::kMostInASecond + 5; ++i) limit.Admit(kBegin);
  EXPECT_THAT(limit.Admit(kBegin + milliseconds(1000)), Optional(5));
  EXPECT_THAT(limit.Admit(kBegin + milliseconds(1000)), Optional(0));
  EXPECT_THAT(limit.Admit(kBegin + milliseconds(2000)), Optional(0));
}

TEST(SampleLimit, CountsAnEarlierTimeAsTheLast) {
  SampleLimit limit;
  for (std::uint64_t i = 0; i < SampleLimit::kMostInASecond; ++i) limit.Admit(kBegin);
  EXPECT_FALSE(limit.Admit(kBegin - milliseconds(5000)).has_value());
}

TEST(SampleLimit, LosesNoneBetweenThreads) {
  SampleLimit limit;
  constexpr int kThreads = 4;
  constexpr int kSeconds = 200;
  constexpr int kInASecond = 50;
  std::atomic<std::uint64_t> admitted = 0;
  std::atomic<std::uint64_t> left_out = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < kSeconds * kInASecond; ++i) {
        const auto told = limit.Admit(kBegin + std::chrono::seconds(i / kInASecond));
        if (!told) continue;
        ++admitted;
        left_out += *told;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  left_out += *limit.Admit(kBegin + std::chrono::hours(1));
  EXPECT_EQ(admitted + left_out, std::uint64_t{kThreads} * kSeconds * kInASecond);
  EXPECT_LE(admitted, kSeconds * SampleLimit::kMostInASecond);
}

}  // namespace
}  // namespace tensorferry::rpc
