// These tests hand over real memfds for outputs, as clients on the same machine make them, and files that are none.
#include "base/output_memory.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/sealed_regions.h"
#include "testing/memfd.h"
#include "testing/shared_object.h"
#include "testing/status_matchers.h"

namespace tensorferry {
namespace {

using testing::HasSubstr;

constexpr SealedQuota::Limit kOutputLimit{.regions = 8, .nbytes = 1 << 20};
constexpr uid_t kOutputUser = 1000;
constexpr int kNoSeals = 0;

std::string ContentOf(const FileDescriptor& file, std::size_t nbytes) {
  std::string content(nbytes, '\0');
  EXPECT_EQ(pread(file.get(), content.data(), nbytes, 0), std::ssize(content));
  return content;
}

class OutputMemoryTest : public testing::Test {
 protected:
  absl::StatusOr<std::string> Add(FileDescriptor file, std::uint64_t nbytes) {
    return regions_.AddOutput(std::move(file), nbytes, quota_);
  }

  SealedRegions regions_{kOutputLimit};
  std::shared_ptr<SealedQuota> quota_ = regions_.QuotaFor(kOutputUser);
};

TEST_F(OutputMemoryTest, ItsMakerReadsWhatWasWritten) {
  const FileDescriptor file = MakeMemfd("..........", kNoSeals);
  const auto name = Add(SameFile(file), 10);
  ASSERT_THAT(name, IsOk());
  EXPECT_TRUE(SealedRegions::IsName(*name));
  const auto range = regions_.FindOutput(*name, 2, 7);
  ASSERT_THAT(range, IsOk());
  range->Write(3, BytesOf("abc"));
  range->Write(7, {});
  EXPECT_EQ(ContentOf(file, 10), ".....abc..");
}

TEST_F(OutputMemoryTest, NobodyTakesPagesFromItAnyMore) {
  const std::size_t nbytes = 3 * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const FileDescriptor file = MakeMemfd(std::string(nbytes, '.'), kNoSeals);
  void* const early = mmap(nullptr, nbytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  ASSERT_NE(early, MAP_FAILED);
  const auto name = Add(SameFile(file), nbytes);
  ASSERT_THAT(name, IsOk());
  for (const off_t size : {off_t{0}, static_cast<off_t>(nbytes) + 1}) {
    EXPECT_EQ(ftruncate(file.get(), size), -1);
    EXPECT_EQ(errno, EPERM);
  }
  EXPECT_EQ(fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, static_cast<off_t>(nbytes)), -1);
  EXPECT_EQ(errno, EPERM);
  EXPECT_NE(madvise(early, nbytes, MADV_REMOVE), 0);
  EXPECT_EQ(pwrite(file.get(), "x", 1, 0), -1);
  EXPECT_EQ(mmap(nullptr, nbytes, PROT_WRITE, MAP_SHARED, file.get(), 0), MAP_FAILED);
  static_cast<char*>(early)[0] = 'x';  // It may do so, as nobody reads it but itself.
  regions_.FindOutput(*name, 0, nbytes)->Write(1, BytesOf("abc"));
  EXPECT_EQ(ContentOf(file, 5), "xabc.");
  munmap(early, nbytes);
}

TEST_F(OutputMemoryTest, WhatCannotBeWrittenToIsRefused) {
  constexpr int kFutureWrite = 0x0010;  // F_SEAL_FUTURE_WRITE, which some headers lack.
  for (const int seals : {F_SEAL_WRITE, kFutureWrite, kAllSeals}) {
    EXPECT_THAT(Add(MakeMemfd("0123", seals), 4), Fails(Reason::kBadSharedMemory, HasSubstr("cannot be written to")));
  }
  EXPECT_THAT(Add(MakeMemfd("0123", F_SEAL_SEAL), 4), Fails(Reason::kBadSharedMemory, HasSubstr("cannot be sealed")));
  const FileDescriptor file = MakeMemfd("0123", kNoSeals);
  const std::string path = "/proc/self/fd/" + std::to_string(file.get());
  EXPECT_THAT(Add(FileDescriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC)), 4),
              Fails(Reason::kBadSharedMemory, HasSubstr("cannot be written to")));
  EXPECT_THAT(Add(FileDescriptor(open(path.c_str(), O_WRONLY | O_CLOEXEC)), 4), Fails(Reason::kBadSharedMemory));
  EXPECT_THAT(Add(SameFile(file), 4), IsOk());
  EXPECT_THAT(Add(SameFile(file), 4), Fails(Reason::kBadSharedMemory)) << "a second time";
}

TEST_F(OutputMemoryTest, OtherFilesAreRefused) {
  std::array<int, 2> pipe_ends{};
  ASSERT_EQ(pipe(pipe_ends.data()), 0);
  EXPECT_THAT(Add(FileDescriptor(pipe_ends[0]), 4), Fails(Reason::kBadSharedMemory, HasSubstr("is no memfd")));
  EXPECT_THAT(Add(FileDescriptor(pipe_ends[1]), 4), Fails(Reason::kBadSharedMemory, HasSubstr("is no memfd")));
  const SharedObject object("0123");
  const FileDescriptor shared(shm_open(object.key().c_str(), O_RDWR | O_CLOEXEC, 0));
  EXPECT_THAT(Add(SameFile(shared), 4), Fails(Reason::kBadSharedMemory, HasSubstr("cannot be sealed")));
  EXPECT_THAT(Add(FileDescriptor(), 4), Fails(Reason::kBadSharedMemory));
  EXPECT_EQ(regions_.nbytes(), 0U);
}

TEST_F(OutputMemoryTest, OtherSizesAndHolesAreRefused) {
  for (const std::uint64_t nbytes : {std::uint64_t{0}, std::uint64_t{3}, std::uint64_t{5}, ~std::uint64_t{0}}) {
    EXPECT_THAT(Add(MakeMemfd("0123", kNoSeals), nbytes), Fails(Reason::kBadSharedMemory, HasSubstr("has 4 bytes")));
  }
  EXPECT_THAT(Add(MakeMemfd("", kNoSeals), 0), Fails(Reason::kBadSharedMemory, HasSubstr("at least 1")));
  FileDescriptor file = MakeMemfd("0123", kNoSeals);
  ASSERT_EQ(ftruncate(file.get(), 1 << 16), 0);
  EXPECT_THAT(Add(std::move(file), 1 << 16), Fails(Reason::kBadSharedMemory, HasSubstr("posix_fallocate")));
  EXPECT_THAT(Add(MakeMemfdWithHole(1 << 16, kNoSeals), 1 << 16),
              Fails(Reason::kBadSharedMemory, HasSubstr("memory for 0 of")))
      << "with pages beyond its end";
  EXPECT_EQ(regions_.nbytes(), 0U);
}

TEST_F(OutputMemoryTest, IsNoInputAndAnInputIsNoOutput) {
  const auto output = Add(MakeMemfd("0123", kNoSeals), 4);
  const auto input = regions_.Add(MakeMemfd("0123"), 4, quota_);
  EXPECT_THAT(regions_.Find(*output, 0, 4), Fails(Reason::kRegionNotFound));
  EXPECT_THAT(regions_.FindOutput(*input, 0, 4), Fails(Reason::kRegionNotFound));
  EXPECT_THAT(regions_.FindOutput(*output, 1, 4), Fails(Reason::kBadSharedMemory, HasSubstr("has 4 bytes")));
}

// The request that writes there may come to its end after the caller has let go of the region, or has died.
TEST_F(OutputMemoryTest, LivesAsLongAsARequestWritesThere) {
  const auto name = Add(MakeMemfd("0123", kNoSeals), 4);
  auto range = regions_.FindOutput(*name, 0, 4);
  ASSERT_THAT(range, IsOk());
  regions_.Remove(*name);
  regions_.Remove(*name);
  EXPECT_THAT(regions_.FindOutput(*name, 0, 4), Fails(Reason::kRegionNotFound));
  EXPECT_EQ(regions_.nbytes(), 4U);
  range->Write(0, BytesOf("abcd"));
  range->memory = nullptr;
  EXPECT_EQ(regions_.nbytes(), 0U);
}

TEST_F(OutputMemoryTest, CountsAsWhatIsSealedDoes) {
  std::vector<std::string> names;
  for (int i = 0; i < 4; ++i) names.push_back(*Add(MakeMemfd("0123", kNoSeals), 4));
  EXPECT_THAT(Add(MakeMemfd("0123", kNoSeals), 4), Fails(Reason::kMemoryBudget, HasSubstr("one connection may have")));
  EXPECT_THAT(regions_.Add(MakeMemfd("0123"), 4, quota_), Fails(Reason::kMemoryBudget));
  regions_.Remove(names[0]);
  EXPECT_THAT(Add(MakeMemfd("0123", kNoSeals), 4), IsOk());
  const std::string large(kOutputLimit.nbytes / 2 + 1, 'x');
  EXPECT_THAT(Add(MakeMemfd(large, kNoSeals), large.size()), Fails(Reason::kTensorTooLarge));
}

}  // namespace
}  // namespace tensorferry
