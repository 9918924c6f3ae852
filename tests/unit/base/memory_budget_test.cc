#include "base/memory_budget.h"

#include <gmock/gmock.h>

#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "testing/status_matchers.h"

namespace tensorferry {
namespace {

TEST(MemoryBudget, GivesUpToItsLimitAndTakesBack) {
  MemoryBudget budget(100);
  auto first = budget.Reserve(60);
  ASSERT_THAT(first, IsOk());
  const auto second = budget.Reserve(41);
  EXPECT_THAT(second, Fails(Reason::kMemoryBudget, testing::HasSubstr("60 of 100 bytes are in use")));
  EXPECT_GT(DescribeError(second.status()).retry_after.count(), 0);
  EXPECT_THAT(budget.Reserve(40), IsOk());
  *first = {};
  EXPECT_THAT(budget.Reserve(100), IsOk());
}

TEST(MemoryBudget, SaysWhatCouldNeverFit) {
  MemoryBudget budget(100);
  const auto never = budget.Reserve(101);
  EXPECT_THAT(never, Fails(Reason::kTensorTooLarge));
  EXPECT_EQ(DescribeError(never.status()).retry_after.count(), 0) << "a retry cannot help";
}

TEST(MemoryBudget, IsWholeAgainAfterAnyMixOfThreads) {
  MemoryBudget budget(1000);
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 4; ++seed) {
    threads.emplace_back([&budget, seed] {
      std::mt19937 random(seed);
      std::vector<MemoryBudget::Reservation> held;
      for (int i = 0; i < 10'000; ++i) {
        if (auto reservation = budget.Reserve(random() % 400); reservation.ok())
          held.push_back(*std::move(reservation));
        if (random() % 2 == 0 && !held.empty()) held.erase(held.begin() + static_cast<long>(random() % held.size()));
        ASSERT_LE(budget.used(), budget.limit());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(budget.used(), 0u);
}

}  // namespace
}  // namespace tensorferry
