#include "inference/isolation/shared_arena.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <utility>

namespace tensorferry::inference {
namespace {

constexpr std::size_t kMiB = 1 << 20;

// One arena, mapped twice, as by two processes.
class SharedArenaTest : public testing::Test {
 protected:
  SharedArenaTest() : owner(*SharedArena::Create(4 * kMiB)), other(*SharedArena::Open(dup(owner->descriptor()), 0)) {}

  // The block as the other process sees it.
  std::byte* Seen(const std::byte* block) const {
    return other->Find(owner->OffsetOf(block), owner->OffsetOf(block), 1);
  }

  std::size_t MemoryInUse() const {
    struct stat status {};
    fstat(owner->descriptor(), &status);
    return static_cast<std::size_t>(status.st_blocks) * 512;
  }

  const std::shared_ptr<SharedArena> owner, other;
};

TEST_F(SharedArenaTest, BothSeeTheSameAlignedBytes) {
  for (const std::size_t nbytes : {1UL, 63UL, 64UL, 4096UL, 3 * kMiB}) {
    std::byte* const block = *owner->Take(nbytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % SharedArena::kAlignment, 0U);
    std::memset(block, 7, nbytes);
    EXPECT_EQ(std::memcmp(block, Seen(block), nbytes), 0);
    owner->GiveBack(block);
  }
}

TEST_F(SharedArenaTest, BlocksDoNotOverlap) {
  std::vector<std::byte*> blocks;
  for (int i = 0; i < 200; ++i) {
    blocks.push_back(*owner->Take(static_cast<std::size_t>(i) * 37 + 1));
    std::memset(blocks.back(), i, static_cast<std::size_t>(i) * 37 + 1);
  }
  for (int i = 0; i < 200; ++i) {
    for (int k = 0; k <= i * 37; ++k) ASSERT_EQ(blocks[static_cast<std::size_t>(i)][k], static_cast<std::byte>(i));
  }
}

TEST_F(SharedArenaTest, ABlockIsFreeOnceBothAreDone) {
  std::byte* const lent = *owner->Take(100);
  owner->Lend(lent);
  owner->GiveBack(lent);
  std::byte* const second = *owner->Take(100);
  EXPECT_NE(second, lent) << "the other process still reads it";
  other->Return(Seen(lent));
  EXPECT_EQ(*owner->Take(100), lent);
}

TEST_F(SharedArenaTest, ABlockThatIsReturnedFirstStaysTheOwners) {
  std::byte* const lent = *owner->Take(100);
  owner->Lend(lent);
  other->Return(Seen(lent));
  EXPECT_NE(*owner->Take(100), lent);
  owner->GiveBack(lent);
  EXPECT_EQ(*owner->Take(100), lent);
}

TEST_F(SharedArenaTest, KeepsNoMoreMemoryThanItMay) {
  std::vector<std::byte*> blocks;
  for (int i = 0; i < 16; ++i) blocks.push_back(*owner->Take(kMiB));
  EXPECT_GE(MemoryInUse(), 16 * kMiB);
  for (std::byte* const block : blocks) owner->GiveBack(block);
  EXPECT_LE(MemoryInUse(), 5 * kMiB);
  owner->Trim();
  EXPECT_EQ(MemoryInUse(), 0U);
}

TEST_F(SharedArenaTest, RefusesWhatNoMachineHas) {
  EXPECT_FALSE(owner->Take(std::size_t{1} << 62).ok());
  std::byte* const block = *owner->Take(100);
  EXPECT_NE(block, nullptr);
}

TEST_F(SharedArenaTest, CannotBeTruncatedByTheOther) { EXPECT_NE(ftruncate(other->descriptor(), 0), 0); }

TEST_F(SharedArenaTest, FindsNothingOutside) {
  std::byte* const block = *owner->Take(100);
  const std::uint64_t at = owner->OffsetOf(block);
  struct stat status {};
  fstat(owner->descriptor(), &status);
  const auto end = static_cast<std::uint64_t>(status.st_size);
  EXPECT_NE(other->Find(at, at, 100), nullptr);
  EXPECT_EQ(other->Find(0, 0, 1), nullptr) << "the count of users lies before each block";
  EXPECT_EQ(other->Find(at + 1, at + 1, 1), nullptr) << "not aligned";
  EXPECT_EQ(other->Find(at, at - 1, 1), nullptr) << "before the block";
  EXPECT_EQ(other->Find(at, end, 1), nullptr);
  EXPECT_EQ(other->Find(at, at, end), nullptr);
  EXPECT_EQ(other->Find(at, at, ~std::uint64_t{0}), nullptr);
  EXPECT_EQ(other->Find(~std::uint64_t{63}, ~std::uint64_t{63}, 1), nullptr);
}

}  // namespace
}  // namespace tensorferry::inference
