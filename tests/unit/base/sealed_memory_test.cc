// These tests hand over real memfds, as clients on the same machine make them, and files that are none.
#include "base/sealed_memory.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/memory_budget.h"
#include "base/sealed_regions.h"
#include "testing/memfd.h"
#include "testing/shared_object.h"
#include "testing/status_matchers.h"

namespace tensorferry {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

constexpr SealedQuota::Limit kLimit{.regions = 8, .nbytes = 1 << 20};
constexpr uid_t kUser = 1000;

class SealedMemoryTest : public testing::Test {
 protected:
  absl::StatusOr<std::string> Add(FileDescriptor file, std::uint64_t nbytes) {
    return regions_.Add(std::move(file), nbytes, quota_);
  }

  std::string Read(const std::string& name, std::uint64_t offset, std::uint64_t nbytes) {
    const auto range = regions_.Find(name, offset, nbytes);
    EXPECT_THAT(range, IsOk());
    const auto bytes = range->Map({});
    EXPECT_THAT(bytes, IsOk());
    return {reinterpret_cast<const char*>(bytes->get()), nbytes};
  }

  SealedRegions regions_{kLimit};
  std::shared_ptr<SealedQuota> quota_ = regions_.QuotaFor(kUser);
};

TEST_F(SealedMemoryTest, ReadsWhatWasSealed) {
  std::string bytes(3 * PageBytes() + 5, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7 + i / 256);
  const auto name = Add(MakeMemfd(bytes), bytes.size());
  ASSERT_THAT(name, IsOk());
  EXPECT_EQ(Read(*name, 0, bytes.size()), bytes);
  for (const std::size_t offset : {std::size_t{1}, PageBytes() - 1, PageBytes(), 2 * PageBytes() + 3}) {
    EXPECT_EQ(Read(*name, offset, PageBytes() + 1), bytes.substr(offset, PageBytes() + 1)) << offset;
  }
}

TEST_F(SealedMemoryTest, NamesAreNotGuessed) {
  const auto one = Add(MakeMemfd("same"), 4);
  const auto other = Add(MakeMemfd("same"), 4);
  EXPECT_THAT(*one, MatchesRegex("sealed:[0-9a-f]{32}"));
  EXPECT_TRUE(SealedRegions::IsName(*one));
  EXPECT_NE(*one, *other);
  EXPECT_THAT(regions_.Find("sealed:" + std::string(32, '0'), 0, 4), Fails(Reason::kRegionNotFound));
}

TEST_F(SealedMemoryTest, ItsMakerCannotChangeIt) {
  const FileDescriptor file = MakeMemfd("0123");
  const auto name = Add(SameFile(file), 4);
  ASSERT_THAT(name, IsOk());
  EXPECT_EQ(pwrite(file.get(), "x", 1, 0), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(ftruncate(file.get(), 1), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_EQ(mmap(nullptr, 4, PROT_WRITE, MAP_SHARED, file.get(), 0), MAP_FAILED);
  EXPECT_EQ(Read(*name, 0, 4), "0123");
}

// A model may write into its inputs. Neither the caller nor another request sees it.
TEST_F(SealedMemoryTest, WritesStayWithTheMapping) {
  const FileDescriptor file = MakeMemfd("0123");
  const auto name = Add(SameFile(file), 4);
  const auto range = regions_.Find(*name, 0, 4);
  const auto bytes = range->Map({});
  ASSERT_THAT(bytes, IsOk());
  bytes->get()[0] = std::byte{'x'};
  EXPECT_EQ(Read(*name, 0, 4), "0123");
  std::array<char, 4> own{};
  ASSERT_EQ(pread(file.get(), own.data(), own.size(), 0), 4);
  EXPECT_EQ(std::string_view(own.data(), own.size()), "0123");
}

// Pages that one request had may be what the next one gets, but not if it wrote there.
TEST_F(SealedMemoryTest, WhatARequestWritesTheNextDoesNotSee) {
  const std::string bytes(300'000, 'x');
  const auto range = regions_.Find(*Add(MakeMemfd(bytes), bytes.size()), 100'000, 200'000);
  ASSERT_THAT(range, IsOk());
  for (const std::size_t written : {0U, 200'000U, 1U, 0U, 0U, 199'999U, 3U, 0U}) {
    const auto mapped = range->Map({});
    ASSERT_THAT(mapped, IsOk());
    const std::span content(reinterpret_cast<char*>(mapped->get()), 200'000);
    EXPECT_EQ(std::ranges::count(content, 'x'), 200'000);
    if (written > 0) content[written - 1] = 'y';
    const auto read = range->Read();
    ASSERT_THAT(read, IsOk());
    EXPECT_EQ(std::count(read->get(), read->get() + 200'000, std::byte{'x'}), 200'000);
  }
}

TEST_F(SealedMemoryTest, RequestsAtOnceHavePagesOfTheirOwn) {
  const std::string bytes(300'000, 'x');
  const auto range = regions_.Find(*Add(MakeMemfd(bytes), bytes.size()), 0, bytes.size());
  for (int round = 0; round < 3; ++round) {
    const auto one = range->Map({});
    const auto other = range->Map({});
    ASSERT_THAT(one, IsOk());
    ASSERT_THAT(other, IsOk());
    one->get()[0] = std::byte{'y'};
    EXPECT_EQ(other->get()[0], std::byte{'x'});
    EXPECT_EQ(range->Read()->get()[0], std::byte{'x'});
  }
}

// Mapping and touching pages anew would take longer than what most models do with them.
TEST_F(SealedMemoryTest, PagesThatNobodyWritesToStayMapped) {
  SealedRegions regions({.regions = 8, .nbytes = 64 << 20});
  const auto quota = regions.QuotaFor(kUser);
  const std::string bytes(8 << 20, 'x');
  const auto range = regions.Find(*regions.Add(MakeMemfd(bytes), bytes.size(), quota), 0, bytes.size());
  ASSERT_THAT(range, IsOk());
  const auto faults_of = [&](const auto& mapped) {
    rusage before{}, after{};
    getrusage(RUSAGE_SELF, &before);
    EXPECT_EQ(std::count(mapped->get(), mapped->get() + bytes.size(), std::byte{'x'}), std::ssize(bytes));
    getrusage(RUSAGE_SELF, &after);
    return after.ru_minflt - before.ru_minflt;
  };
  for (int use = 0; use < 2; ++use) faults_of(range->Map({}));
  EXPECT_LT(faults_of(range->Map({})), 16);
  faults_of(range->Read());
  EXPECT_LT(faults_of(range->Read()), 16);
}

TEST_F(SealedMemoryTest, IsRefusedWithoutAllSeals) {
  for (const int missing : {F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE}) {
    EXPECT_THAT(Add(MakeMemfd("0123", kAllSeals & ~missing), 4),
                Fails(Reason::kBadSharedMemory, HasSubstr("it needs F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_WRITE")));
  }
  constexpr int kFutureWrite = 0x0010;  // F_SEAL_FUTURE_WRITE: a mapping that is there already goes on writing.
  EXPECT_THAT(Add(MakeMemfd("0123", F_SEAL_SHRINK | F_SEAL_GROW | kFutureWrite), 4), Fails(Reason::kBadSharedMemory));
  EXPECT_EQ(regions_.nbytes(), 0U);
}

TEST_F(SealedMemoryTest, OtherFilesAreRefused) {
  std::array<int, 2> pipe_ends{};
  ASSERT_EQ(pipe(pipe_ends.data()), 0);
  EXPECT_THAT(Add(FileDescriptor(pipe_ends[0]), 4), Fails(Reason::kBadSharedMemory, HasSubstr("is no memfd")));
  EXPECT_THAT(Add(FileDescriptor(pipe_ends[1]), 4), Fails(Reason::kBadSharedMemory, HasSubstr("is no memfd")));
  const FileDescriptor memory = MakeMemfd("0123");
  const std::string path = "/proc/self/fd/" + std::to_string(memory.get());
  EXPECT_THAT(Add(FileDescriptor(open(path.c_str(), O_PATH | O_CLOEXEC)), 4), Fails(Reason::kBadSharedMemory));
  EXPECT_THAT(Add(FileDescriptor(open("/", O_RDONLY | O_CLOEXEC)), 4), Fails(Reason::kBadSharedMemory));
  EXPECT_THAT(Add(FileDescriptor(open("/proc/self/exe", O_RDONLY | O_CLOEXEC)), 4), Fails(Reason::kBadSharedMemory));
  const SharedObject object("0123");
  const FileDescriptor shared(shm_open(object.key().c_str(), O_RDWR | O_CLOEXEC, 0));
  EXPECT_THAT(Add(SameFile(shared), 4), Fails(Reason::kBadSharedMemory, HasSubstr("has seals"))) << "a file of tmpfs";
  EXPECT_THAT(Add(FileDescriptor(), 4), Fails(Reason::kBadSharedMemory));
}

TEST_F(SealedMemoryTest, ASizeThatIsNotTheFilesIsRefused) {
  for (const std::uint64_t nbytes : {std::uint64_t{0}, std::uint64_t{3}, std::uint64_t{5}, ~std::uint64_t{0}}) {
    EXPECT_THAT(Add(MakeMemfd("0123"), nbytes), Fails(Reason::kBadSharedMemory, HasSubstr("has 4 bytes"))) << nbytes;
  }
  EXPECT_THAT(Add(MakeMemfd(""), 0), Fails(Reason::kBadSharedMemory, HasSubstr("at least 1")));
}

// Whoever reads a hole pays for the page.
TEST_F(SealedMemoryTest, HolesAreRefused) {
  FileDescriptor file = MakeMemfd("0123", F_SEAL_SHRINK);
  const std::size_t nbytes = 4 * PageBytes();
  ASSERT_EQ(ftruncate(file.get(), static_cast<off_t>(nbytes)), 0);
  ASSERT_EQ(fcntl(file.get(), F_ADD_SEALS, F_SEAL_GROW | F_SEAL_WRITE), 0);
  EXPECT_THAT(Add(std::move(file), nbytes), Fails(Reason::kBadSharedMemory, HasSubstr("posix_fallocate")));
}

// fallocate makes pages that no byte of the memory lies in.
TEST_F(SealedMemoryTest, PagesBeyondItsEndFillNoHoles) {
  const std::size_t nbytes = 4 * PageBytes();
  EXPECT_THAT(Add(MakeMemfdWithHole(nbytes), nbytes), Fails(Reason::kBadSharedMemory, HasSubstr("memory for 0 of")));
}

TEST_F(SealedMemoryTest, ADescriptorForReadingWillDo) {
  const auto for_reading = [](const FileDescriptor& file) {
    return FileDescriptor(open(("/proc/self/fd/" + std::to_string(file.get())).c_str(), O_RDONLY | O_CLOEXEC));
  };
  const auto name = Add(for_reading(MakeMemfd("0123")), 4);
  ASSERT_THAT(name, IsOk());
  EXPECT_EQ(Read(*name, 0, 4), "0123");
  const std::size_t nbytes = 4 * PageBytes();
  EXPECT_THAT(Add(for_reading(MakeMemfdWithHole(nbytes)), nbytes),
              Fails(Reason::kBadSharedMemory, HasSubstr("memory for 0 of")));
}

TEST_F(SealedMemoryTest, RangesLieWithin) {
  const auto name = Add(MakeMemfd("0123"), 4);
  EXPECT_THAT(regions_.Find(*name, 4, 0), IsOk());
  for (const auto& [offset, nbytes] : {std::pair<std::uint64_t, std::uint64_t>{0, 5}, {4, 1}, {5, 0}, {~0ULL, 2}}) {
    EXPECT_THAT(regions_.Find(*name, offset, nbytes), Fails(Reason::kBadSharedMemory, HasSubstr("has 4 bytes")));
  }
  regions_.Remove(*name);
  regions_.Remove(*name);
  EXPECT_THAT(regions_.Find(*name, 0, 4), Fails(Reason::kRegionNotFound));
}

// The memory counts until the last request has finished, for it is there until then.
TEST_F(SealedMemoryTest, LivesAsLongAsARequestUsesIt) {
  MemoryBudget budget(1 << 20);
  const auto name = Add(MakeMemfd("0123"), 4);
  auto bytes = regions_.Find(*name, 0, 4)->Map(*budget.Reserve(4));
  regions_.Remove(*name);
  EXPECT_EQ(regions_.nbytes(), 4U);
  EXPECT_EQ(budget.used(), 4U);
  EXPECT_EQ(bytes->get()[3], std::byte{'3'});
  *bytes = nullptr;
  EXPECT_EQ(regions_.nbytes(), 0U);
  EXPECT_EQ(budget.used(), 0U);
}

TEST_F(SealedMemoryTest, QuotasHold) {
  const auto other_connection = regions_.QuotaFor(kUser);
  const auto other_user = regions_.QuotaFor(kUser + 1);
  std::vector<std::string> names;
  for (int i = 0; i < 4; ++i) names.push_back(*Add(MakeMemfd("0123"), 4));
  EXPECT_THAT(Add(MakeMemfd("0123"), 4), Fails(Reason::kMemoryBudget, HasSubstr("one connection may have 4")));
  for (int i = 0; i < 2; ++i) EXPECT_THAT(regions_.Add(MakeMemfd("0123"), 4, other_connection), IsOk());
  EXPECT_THAT(regions_.Add(MakeMemfd("0123"), 4, other_connection),
              Fails(Reason::kMemoryBudget, HasSubstr("the peers of one user may have 6")));
  for (int i = 0; i < 2; ++i) EXPECT_THAT(regions_.Add(MakeMemfd("0123"), 4, other_user), IsOk());
  EXPECT_THAT(regions_.Add(MakeMemfd("0123"), 4, other_user),
              Fails(Reason::kMemoryBudget, HasSubstr("all peers together may have 8")));
  regions_.Remove(names[0]);
  EXPECT_THAT(Add(MakeMemfd("0123"), 4), IsOk());
  const std::string large(kLimit.nbytes / 2 + 1, 'x');
  EXPECT_THAT(Add(MakeMemfd(large), large.size()), Fails(Reason::kTensorTooLarge));
}

}  // namespace
}  // namespace tensorferry
