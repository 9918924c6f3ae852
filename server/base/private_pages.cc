#include "base/private_pages.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/file_descriptor.h"

namespace tensorferry {
namespace {

// An entry of /proc/self/pagemap says of a page: bits 63 and 62, that it is in memory or swapped out; bit 61, that it is
// the file's, and not a private copy of it.
constexpr std::uint64_t kIsThere = std::uint64_t{3} << 62;
constexpr std::uint64_t kIsOfFile = std::uint64_t{1} << 61;
constexpr std::size_t kEntriesAtOnce = 512;

// PageScan is struct pm_scan_arg of <linux/fs.h>, PageRegion struct page_region, and kScan the request PAGEMAP_SCAN: the
// headers of Debian 12 have none of them.
struct PageScan {
  std::uint64_t size = sizeof(PageScan);
  std::uint64_t flags = 0;
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::uint64_t walk_end = 0;  // Where the kernel stopped.
  std::uint64_t regions = 0;   // The address of room for so many of them.
  std::uint64_t most_regions = 0;
  std::uint64_t most_pages = 0;
  std::uint64_t inverted = 0;  // Categories of which a page is looked for that is not in them.
  std::uint64_t all_of = 0;
  std::uint64_t any_of = 0;
  std::uint64_t told = 0;
};
struct PageRegion {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::uint64_t categories = 0;
};
constexpr unsigned long kScan = _IOWR('f', 16, PageScan);
constexpr std::uint64_t kFile = 1 << 2;
constexpr std::uint64_t kPresent = 1 << 3;
constexpr std::uint64_t kSwapped = 1 << 4;

bool IsCopy(std::uint64_t entry) { return (entry & kIsThere) != 0 && (entry & kIsOfFile) == 0; }

std::uint64_t BytesOfAPage() {
  static const auto page_bytes = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  return page_bytes;
}

// PageNumbers are those of the pages that bytes lie in.
struct PageNumbers {
  explicit PageNumbers(std::span<const std::byte> bytes) {
    const auto start = reinterpret_cast<std::uintptr_t>(bytes.data());
    first = start / BytesOfAPage();
    end = (start + bytes.size() - 1) / BytesOfAPage() + 1;
  }

  std::uint64_t first = 0;
  std::uint64_t end = 0;
};

}  // namespace

std::optional<bool> AnyPageWasCopied(std::span<const std::byte> bytes) {
  const FileDescriptor pagemap(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  if (!pagemap) return std::nullopt;
  const std::optional<bool> scanned = ScanForCopies(pagemap.get(), bytes);
  return scanned ? scanned : ReadForCopies(pagemap.get(), bytes);
}

std::optional<bool> ScanForCopies(int pagemap, std::span<const std::byte> bytes) {
  const PageNumbers pages(bytes);
  PageRegion found;
  PageScan scan{.start = pages.first * BytesOfAPage(),
                .end = pages.end * BytesOfAPage(),
                .regions = reinterpret_cast<std::uintptr_t>(&found),
                .most_regions = 1,
                .most_pages = 1,
                .inverted = kFile,
                .all_of = kFile,
                .any_of = kPresent | kSwapped,
                .told = kPresent};
  const int regions = ioctl(pagemap, kScan, &scan);
  return regions < 0 ? std::nullopt : std::optional(regions > 0);
}

std::optional<bool> ReadForCopies(int pagemap, std::span<const std::byte> bytes) {
  const PageNumbers pages(bytes);
  std::array<std::uint64_t, kEntriesAtOnce> entries{};
  for (std::uint64_t page = pages.first; page < pages.end;) {
    const std::uint64_t count = std::min<std::uint64_t>(entries.size(), pages.end - page);
    const std::uint64_t wanted = count * sizeof(entries[0]);
    const auto at = static_cast<off_t>(page * sizeof(entries[0]));
    if (pread(pagemap, entries.data(), wanted, at) != static_cast<ssize_t>(wanted)) return std::nullopt;
    if (std::ranges::any_of(std::span(entries).first(count), IsCopy)) return true;
    page += count;
  }
  return false;
}

}  // namespace tensorferry
