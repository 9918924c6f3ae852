#include "base/private_pages.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "base/file_descriptor.h"

namespace tensorferry {
namespace {

constexpr std::size_t kPages = 1200;  // More than are read at once.

// MappedPages are a memfd, mapped privately.
class MappedPages {
 public:
  MappedPages() : page_bytes_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
    const FileDescriptor file(memfd_create("pages", MFD_CLOEXEC));
    const std::vector<char> ones(kPages * page_bytes_, 1);
    EXPECT_EQ(write(file.get(), ones.data(), ones.size()), static_cast<ssize_t>(ones.size()));
    void* const pages = mmap(nullptr, ones.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE, file.get(), 0);
    EXPECT_NE(pages, MAP_FAILED);
    bytes_ = {static_cast<std::byte*>(pages), ones.size()};
  }
  MappedPages(const MappedPages&) = delete;
  MappedPages& operator=(const MappedPages&) = delete;
  ~MappedPages() { munmap(bytes_.data(), bytes_.size()); }

  std::span<std::byte> bytes(std::size_t first, std::size_t count) const {
    return bytes_.subspan(first * page_bytes_, count * page_bytes_);
  }
  std::span<std::byte> all() const { return bytes_; }

 private:
  const std::size_t page_bytes_;
  std::span<std::byte> bytes_;
};

using Ask = std::optional<bool> (*)(int, std::span<const std::byte>);

class PrivatePagesTest : public testing::TestWithParam<Ask> {
 protected:
  void SetUp() override {
    if (!GetParam()(pagemap_.get(), pages_.all())) GTEST_SKIP() << "Linux scans pages since 6.7";
  }
  std::optional<bool> Asked(std::span<const std::byte> bytes) const { return GetParam()(pagemap_.get(), bytes); }

  const MappedPages pages_;
  const FileDescriptor pagemap_{open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)};
};

TEST_P(PrivatePagesTest, ThatWereOnlyReadAreTheFiles) {
  EXPECT_EQ(Asked(pages_.all()), false) << "none is there";
  std::vector<std::byte> copy(pages_.all().begin(), pages_.all().end());
  EXPECT_EQ(std::memcmp(copy.data(), pages_.all().data(), copy.size()), 0);
  EXPECT_EQ(Asked(pages_.all()), false);
}

TEST_P(PrivatePagesTest, OneThatWasWrittenToIsFoundAmongOthers) {
  pages_.bytes(1100, 1)[7] = std::byte{1};  // What is written was there before: it is a copy all the same.
  EXPECT_EQ(Asked(pages_.all()), true);
  EXPECT_EQ(Asked(pages_.bytes(0, 1100)), false);
  EXPECT_EQ(Asked(pages_.bytes(1101, kPages - 1101)), false);
  EXPECT_EQ(Asked(pages_.bytes(1100, 1)), true);
}

TEST_P(PrivatePagesTest, BytesStandForThePagesThatTheyLieIn) {
  pages_.bytes(3, 1)[100] = std::byte{2};
  const std::size_t page = pages_.bytes(0, 1).size();
  EXPECT_EQ(Asked(pages_.all().subspan(0, 3 * page)), false);
  EXPECT_EQ(Asked(pages_.all().subspan(0, 3 * page + 1)), true);
  EXPECT_EQ(Asked(pages_.all().subspan(4 * page - 1, 2)), true);
  EXPECT_EQ(Asked(pages_.all().subspan(4 * page, 1)), false);
}

INSTANTIATE_TEST_SUITE_P(Ways, PrivatePagesTest, testing::Values(&ScanForCopies, &ReadForCopies));

TEST(PrivatePages, AreAskedForInWhicheverWayThereIs) {
  const MappedPages pages;
  EXPECT_EQ(AnyPageWasCopied(pages.all()), false);
  pages.bytes(5, 1)[0] = std::byte{2};
  EXPECT_EQ(AnyPageWasCopied(pages.all()), true);
}

}  // namespace
}  // namespace tensorferry
