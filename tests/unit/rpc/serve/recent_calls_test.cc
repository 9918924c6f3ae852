#include "rpc/serve/recent_calls.h"

#include <gmock/gmock.h>

#include <string>
#include <thread>
#include <vector>

namespace tensorferry::rpc {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;

constexpr RecentCalls::Clock::time_point kStart{std::chrono::hours(1000)};

std::vector<int> DurationsOf(const std::vector<SeenCall>& calls) {
  std::vector<int> durations;
  for (const SeenCall& call : calls) {
    durations.push_back(static_cast<int>(std::chrono::duration_cast<milliseconds>(call.duration).count()));
  }
  return durations;
}

// Offer does with a request what RecentCallsStep does.
void Offer(RecentCalls& calls, int duration, RecentCalls::Clock::time_point now = kStart) {
  if (calls.IsSlow(milliseconds(duration), now)) calls.AddSlow({.duration = milliseconds(duration)}, now);
}

TEST(RecentCalls, KeepsTheLastRefusals) {
  RecentCalls calls;
  const int count = static_cast<int>(RecentCalls::kMostRefusals) + 5;
  for (int i = 0; i < count; ++i) calls.AddRefusal({.message = std::to_string(i)});
  const std::vector<SeenCall> kept = calls.Refusals();
  ASSERT_EQ(kept.size(), RecentCalls::kMostRefusals);
  EXPECT_EQ(kept.front().message, std::to_string(count - 1));
  EXPECT_EQ(kept.back().message, "5");
}

TEST(RecentCalls, KeepsTheSlowestInOrder) {
  RecentCalls calls;
  const int most = static_cast<int>(RecentCalls::kMostSlow);
  for (int i = 0; i < 5 * most; ++i) Offer(calls, i * 7 % (5 * most));
  const std::vector<int> durations = DurationsOf(calls.Slowest());
  ASSERT_EQ(durations.size(), RecentCalls::kMostSlow);
  for (int i = 0; i < most; ++i) EXPECT_EQ(durations[static_cast<std::size_t>(i)], 5 * most - 1 - i);
}

TEST(RecentCalls, PassesOverWhatIsFasterThanAllItKeeps) {
  RecentCalls calls;
  EXPECT_TRUE(calls.IsSlow(milliseconds(0), kStart));
  for (int i = 1; i <= static_cast<int>(RecentCalls::kMostSlow); ++i) Offer(calls, i);
  EXPECT_FALSE(calls.IsSlow(milliseconds(1), kStart));
  EXPECT_TRUE(calls.IsSlow(milliseconds(2), kStart));
}

TEST(RecentCalls, ForgetsWhatIsOlderThanTheIntervalBefore) {
  RecentCalls calls;
  Offer(calls, 100, kStart);
  Offer(calls, 10, kStart + RecentCalls::kInterval);
  EXPECT_THAT(DurationsOf(calls.Slowest()), ElementsAre(100, 10));
  Offer(calls, 1, kStart + 2 * RecentCalls::kInterval);
  EXPECT_THAT(DurationsOf(calls.Slowest()), ElementsAre(10, 1));
}

TEST(RecentCalls, IsForManyThreads) {
  RecentCalls calls;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&calls, t] {
      for (int i = 0; i < 1000; ++i) {
        Offer(calls, 4 * i + t);
        calls.AddRefusal({});
        if (i % 100 == 0) calls.Slowest();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(calls.Refusals().size(), RecentCalls::kMostRefusals);
  EXPECT_EQ(calls.Slowest().front().duration, milliseconds(3999));
}

}  // namespace
}  // namespace tensorferry::rpc
