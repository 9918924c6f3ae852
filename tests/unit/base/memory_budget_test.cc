#include "base/memory_budget.h"

#include <gmock/gmock.h>

#include <chrono>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "testing/named_peer.h"
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

// Of 1600 bytes a peer may hold 1200 while others wait, and up to 100 are counted for nobody.
class PeersOfABudget : public testing::Test {
 protected:
  // Reserve fails the test if it gets nothing.
  MemoryBudget::Reservation Reserve(std::uint64_t nbytes, const NamedPeer& peer) {
    auto reservation = budget_.Reserve(nbytes, &peer);
    EXPECT_THAT(reservation, IsOk());
    return reservation.ok() ? *std::move(reservation) : MemoryBudget::Reservation();
  }

  MemoryBudget budget_{1600, {.percent = 75, .wait = std::chrono::hours(1)}};
  const NamedPeer greedy_{"greedy"}, late_{"late"}, third_{"third"}, nobody_{""};
};

TEST_F(PeersOfABudget, OneThatIsAloneMayHoldEverything) {
  const auto all = Reserve(1600, greedy_);
  EXPECT_EQ(budget_.shares().most_held(), 1600u);
  EXPECT_THAT(all.CheckYield(), IsOk());
  EXPECT_THAT(budget_.Reserve(1, &greedy_), Fails(Reason::kMemoryBudget, testing::HasSubstr("1600 of 1600 bytes")));
  EXPECT_THAT(all.CheckYield(), IsOk()) << "it does not wait for itself";
}

TEST_F(PeersOfABudget, WhileOthersWaitNoneGetsMoreThanItsShare) {
  const auto most = Reserve(1100, greedy_);
  {
    const auto rest = Reserve(500, greedy_);
    EXPECT_THAT(budget_.Reserve(300, &late_), Fails(Reason::kMemoryBudget));
    EXPECT_THAT(rest.CheckYield(), Fails(Reason::kMemoryBudget,
                                         testing::HasSubstr("holds 1600 bytes of the server's memory budget, which is "
                                                            "more than its share of 1200 bytes")));
  }
  EXPECT_THAT(most.CheckYield(), IsOk());
  const auto refused = budget_.Reserve(101, &greedy_);
  EXPECT_THAT(refused,
              Fails(Reason::kMemoryBudget, testing::HasSubstr("101 bytes would bring this peer above its share")));
  EXPECT_THAT(refused, Fails(Reason::kMemoryBudget, testing::HasSubstr("it holds 1100 of 1200 bytes")));
  EXPECT_GT(DescribeError(refused.status()).retry_after.count(), 0);
  EXPECT_THAT(budget_.Reserve(100, &greedy_), IsOk());
  EXPECT_THAT(budget_.Reserve(300, &late_), IsOk());
  EXPECT_THAT(budget_.Reserve(500, nullptr), IsOk()) << "nobody in particular has no share";
}

TEST_F(PeersOfABudget, EachWaitsForTheOther) {
  const auto most = Reserve(1300, greedy_);
  EXPECT_THAT(budget_.Reserve(400, &late_), Fails(Reason::kMemoryBudget));
  EXPECT_THAT(budget_.Reserve(400, &third_), Fails(Reason::kMemoryBudget));
  EXPECT_THAT(budget_.Reserve(400, &third_), Fails(Reason::kMemoryBudget));
  EXPECT_THAT(most.CheckYield(), Fails(Reason::kMemoryBudget));
  EXPECT_THAT(budget_.shares().CheckYield("third"), IsOk()) << "it holds nothing";
}

TEST_F(PeersOfABudget, WhoWantsMoreThanAShareMakesNobodyYield) {
  const auto most = Reserve(1300, greedy_);
  EXPECT_THAT(budget_.Reserve(1201, &late_), Fails(Reason::kMemoryBudget));
  EXPECT_THAT(budget_.CheckRoom(1201, &late_), Fails(Reason::kMemoryBudget));
  EXPECT_THAT(budget_.Reserve(1601, &late_), Fails(Reason::kTensorTooLarge));
  EXPECT_THAT(budget_.Reserve(301, &nobody_), Fails(Reason::kMemoryBudget));
  EXPECT_THAT(most.CheckYield(), IsOk());
  EXPECT_FALSE(most.may_have_to_yield());
  EXPECT_THAT(budget_.CheckRoom(1200, &late_), Fails(Reason::kMemoryBudget));
  EXPECT_TRUE(most.may_have_to_yield());
  EXPECT_THAT(most.CheckYield(), Fails(Reason::kMemoryBudget));
}

TEST_F(PeersOfABudget, WhatIsAskedForWhileLittleIsInUseIsCountedForNobody) {
  auto little = Reserve(100, greedy_);
  EXPECT_EQ(budget_.shares().most_held(), 0u);
  ASSERT_THAT(budget_.GrowTo(900, little, &greedy_), IsOk());
  EXPECT_EQ(budget_.shares().most_held(), 900u) << "all of it, as it is one reservation";
  const auto other = Reserve(1, greedy_);
  EXPECT_EQ(budget_.shares().most_held(), 901u);
  little = {};
  EXPECT_EQ(budget_.shares().most_held(), 1u);
}

TEST_F(PeersOfABudget, WhatSeveralHoldTogetherIsCountedForEachOfThem) {
  auto uncounted = Reserve(50, greedy_);  // Little is in use.
  const auto base = Reserve(200, nobody_);
  {
    auto batch = std::move(uncounted);
    batch.Merge(Reserve(50, late_));
    batch.Merge(Reserve(300, greedy_));
    auto more = Reserve(100, greedy_);
    more.Merge(Reserve(20, nobody_));
    more.Merge(Reserve(10, late_));
    batch.Merge(std::move(more));
    EXPECT_EQ(budget_.shares().most_held(), 400u);
    EXPECT_EQ(batch.nbytes(), 530u);
    EXPECT_EQ(budget_.used(), 730u);
    const auto own = Reserve(390, late_);
    EXPECT_EQ(budget_.shares().most_held(), 450u) << "late has 60 of them";
  }
  EXPECT_EQ(budget_.shares().most_held(), 0u);
  EXPECT_EQ(budget_.used(), 200u);
}

TEST(PeersThatHaveWaited, AreForgottenAfterAWhile) {
  MemoryBudget budget(1600, {.percent = 75, .wait = std::chrono::milliseconds(0)});
  const NamedPeer greedy("greedy"), late("late");
  const auto all = budget.Reserve(1600, &greedy);
  ASSERT_THAT(all, IsOk());
  EXPECT_THAT(budget.Reserve(1, &late), Fails(Reason::kMemoryBudget));
  EXPECT_TRUE(all->may_have_to_yield()) << "it is asked about";
  EXPECT_THAT(all->CheckYield(), IsOk());
  EXPECT_FALSE(all->may_have_to_yield());
}

TEST(MemoryName, IsTheCertificateOrElseTheAddressWithoutThePort) {
  EXPECT_EQ(MemoryNameOf("", "192.0.2.1:4711"), "192.0.2.1");
  EXPECT_EQ(MemoryNameOf("", "[2001:db8::1]:4711"), "[2001:db8::1]");
  EXPECT_EQ(MemoryNameOf("", "unix:"), "unix");
  EXPECT_EQ(MemoryNameOf("", "unix:/a/path/of/the/peer/s"), "unix");
  EXPECT_EQ(MemoryNameOf("", ""), "");
  EXPECT_EQ(MemoryNameOf("spiffe://a/b", "192.0.2.1:4711"), "certificate spiffe://a/b");
  EXPECT_EQ(MemoryNameOf(std::string(9000, 'x'), "").size(), 256 + std::string("certificate ").size());
}

}  // namespace
}  // namespace tensorferry
