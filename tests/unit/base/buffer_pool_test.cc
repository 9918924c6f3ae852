#include "base/buffer_pool.h"

#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "testing/status_matchers.h"
#include "testing/test_memory.h"

namespace tensorferry {
namespace {

class BufferOf : public testing::TestWithParam<std::size_t> {};

TEST_P(BufferOf, IsAlignedAndCountsUntilItIsGone) {
  TestMemory memory(std::uint64_t{1} << 30);
  {
    const auto buffer = memory.pool.Take(GetParam());
    ASSERT_THAT(buffer, IsOk());
    EXPECT_EQ(buffer->size(), GetParam());
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer->data()) % AlignedBuffer::kAlignment, 0u);
    std::memset(buffer->data(), 0x5A, buffer->size());
    EXPECT_EQ(memory.budget.used(), GetParam());
  }
  EXPECT_EQ(memory.budget.used(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Sizes, BufferOf,
                         testing::Values(1, 255, 256, 257, 384, 385, 1001, 4096, (256 << 10) - 1, 256 << 10,
                                         (2 << 20) - 1, 2 << 20, (2 << 20) + 1, 16 << 20, 100'000'001));

TEST(SizeClass, HoldsItsSizesAndWastesAtMostHalf) {
  for (std::size_t nbytes = 1; nbytes < (std::size_t{1} << 40); nbytes += 1 + nbytes / 7) {
    const std::size_t capacity = ClassCapacity(SizeClass(nbytes));
    ASSERT_GE(capacity, nbytes);
    ASSERT_TRUE(capacity == kSmallestClass || capacity < 3 * nbytes / 2 + 2) << nbytes;
    ASSERT_EQ(SizeClass(capacity), SizeClass(nbytes)) << nbytes;
  }
}

TEST(BufferPool, GivesTheSameMemoryAgain) {
  TestMemory memory;
  const std::byte* const first = memory.pool.Take(100'000)->data();
  EXPECT_EQ(memory.pool.Take(99'000)->data(), first) << "of the same class";
  EXPECT_NE(memory.pool.Take(10'000)->data(), first);
  EXPECT_EQ(memory.pool.stats().taken, 3u);
  EXPECT_EQ(memory.pool.stats().reused, 1u);
}

TEST(BufferPool, GivesAnEmptyBufferForNothing) {
  TestMemory memory;
  EXPECT_EQ(memory.pool.Take(0)->data(), nullptr);
  EXPECT_EQ(memory.pool.Take(0)->size(), 0u);
}

TEST(BufferPool, SurvivesItsBuffersAsPlainPointers) {
  TestMemory memory;
  void* const released = std::move(*memory.pool.Take(1000)).Release();
  EXPECT_EQ(memory.budget.used(), 1000u);
  AlignedBuffer::GiveBack(released);
  EXPECT_EQ(memory.budget.used(), 0u);
  AlignedBuffer::GiveBack(nullptr);
}

TEST(BufferPool, TrimsWhatWasIdleAllTheTime) {
  TestMemory memory;
  {
    const auto a = memory.pool.Take(1 << 20);
    const auto b = memory.pool.Take(1 << 20);
  }
  EXPECT_EQ(memory.pool.Trim(), 0u) << "both were in use since the start";
  { const auto a = memory.pool.Take(1 << 20); }
  EXPECT_EQ(memory.pool.Trim(), 1u << 20) << "one was not needed";
  EXPECT_EQ(memory.pool.stats().idle_bytes, 1u << 20);
  EXPECT_EQ(memory.pool.Trim(), 1u << 20);
  EXPECT_EQ(memory.pool.stats().idle_bytes, 0u);
}

TEST(BufferPool, KeepsNoMoreThanItMay) {
  MemoryBudget budget(1 << 24);
  BufferPool pool(budget, 1 << 20);
  {
    const auto a = pool.Take(1 << 19);
    const auto b = pool.Take(1 << 19);
    const auto c = pool.Take(1 << 19);
    const auto d = pool.Take(1 << 21);
  }
  EXPECT_EQ(pool.stats().idle_bytes, 1u << 20);
}

TEST(BufferPool, HasNoMemoryForMoreThanTheMachineHas) {
  TestMemory memory(std::uint64_t{1} << 62);
  for (const int log2 : {45, 60}) {
    EXPECT_THAT(memory.pool.Take(std::size_t{1} << log2), Fails(Reason::kMemoryBudget));
  }
  EXPECT_EQ(memory.budget.used(), 0u);
}

TEST(BufferPool, TakesNothingThatTheBudgetRefuses) {
  TestMemory memory(100);
  EXPECT_THAT(memory.pool.Take(101), Fails(Reason::kTensorTooLarge));
  EXPECT_EQ(memory.pool.stats().taken, 0u);
}

TEST(BufferPool, AdmitsBytesThatComeLaterInSteps) {
  constexpr std::size_t kStep = BufferPool::kStep;
  TestMemory memory(8 * kStep);
  auto first = memory.pool.TakeInSteps(5 * kStep + 1);
  auto second = memory.pool.TakeInSteps(5 * kStep + 1);
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk()) << "announced bytes hold nothing";
  EXPECT_EQ(memory.budget.used(), 0u);
  EXPECT_THAT(first->Admit(1), IsOk());
  EXPECT_EQ(memory.budget.used(), kStep);
  EXPECT_THAT(first->Admit(kStep), IsOk());
  EXPECT_EQ(memory.budget.used(), kStep);
  EXPECT_THAT(first->Admit(kStep + 1), IsOk());
  EXPECT_THAT(second->Admit(5 * kStep), IsOk());
  EXPECT_EQ(memory.budget.used(), 7 * kStep);
  EXPECT_THAT(first->Admit(5 * kStep), Fails(Reason::kMemoryBudget)) << "it does not wait for the other";
  EXPECT_THAT(second->Admit(5 * kStep + 1), IsOk());
  EXPECT_EQ(memory.budget.used(), 7 * kStep + 1) << "no more than the buffer has";
  second = AlignedBuffer();
  EXPECT_THAT(first->Admit(5 * kStep + 1), IsOk());
  first = AlignedBuffer();
  EXPECT_EQ(memory.budget.used(), 0u);
}

TEST(BufferPool, TakesNoHugePageForTheFirstOfManyBytesThatComeLater) {
  TestMemory memory(64 << 20);
  auto buffer = memory.pool.TakeInSteps(32 << 20);
  ASSERT_THAT(buffer, IsOk());
  ASSERT_THAT(buffer->Admit(1000), IsOk());
  std::memset(buffer->data(), 1, 1000);
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> resident((32 << 20) / page);
  void* const begin = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(buffer->data()) / page * page);
  ASSERT_EQ(mincore(begin, 32 << 20, resident.data()), 0);
  EXPECT_LE(std::ranges::count_if(resident, [](unsigned char state) { return (state & 1) != 0; }), 2);
}

TEST(BufferPool, RefusesBytesThatComeLaterAtOnceIfTheyDoNotFitNow) {
  TestMemory memory(1000);
  EXPECT_THAT(memory.pool.TakeInSteps(1001), Fails(Reason::kTensorTooLarge));
  const auto buffer = memory.pool.Take(500);
  EXPECT_THAT(memory.pool.TakeInSteps(501), Fails(Reason::kMemoryBudget));
  EXPECT_THAT(memory.pool.TakeInSteps(500), IsOk());
}

// The memory of an idle buffer is taken already, so whoever gets it holds all of it.
TEST(BufferPool, AdmitsAnIdleBufferWhole) {
  TestMemory memory;
  const std::byte* const idle = memory.pool.Take(1 << 20)->data();
  const auto buffer = memory.pool.TakeInSteps(1 << 20);
  ASSERT_THAT(buffer, IsOk());
  EXPECT_EQ(buffer->data(), idle);
  EXPECT_EQ(memory.budget.used(), 1u << 20);
}

TEST(BufferPool, CountsIdleBuffersAgainstTheBudgetOfFreshOnes) {
  TestMemory memory(8 << 20);
  { const auto idle = memory.pool.Take(6 << 20); }
  EXPECT_EQ(memory.pool.stats().idle_bytes, 6u << 20);
  const auto small = memory.pool.Take(2 << 20);
  EXPECT_EQ(memory.pool.stats().idle_bytes, 6u << 20) << "both fit";
  auto other = memory.pool.TakeInSteps(3 << 20);
  EXPECT_EQ(memory.pool.stats().idle_bytes, 6u << 20) << "nothing has come";
  EXPECT_THAT(other->Admit(1), IsOk());
  EXPECT_EQ(memory.pool.stats().idle_bytes, 0u);
}

TEST(BufferPool, GivesEveryBufferToOneOwnerAtATime) {
  TestMemory memory;
  std::vector<std::thread> threads;
  for (unsigned seed = 1; seed <= 4; ++seed) {
    threads.emplace_back([&memory, seed] {
      std::mt19937 random(seed);
      for (int i = 0; i < 5'000; ++i) {
        const auto buffer = memory.pool.Take(1 + random() % 2000);
        ASSERT_THAT(buffer, IsOk());
        std::memset(buffer->data(), static_cast<int>(seed), buffer->size());
        ASSERT_EQ(buffer->data()[random() % buffer->size()], std::byte{static_cast<std::uint8_t>(seed)});
        if (i % 100 == 0) memory.pool.Trim();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(memory.budget.used(), 0u);
}

}  // namespace
}  // namespace tensorferry
