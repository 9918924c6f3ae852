#include "base/private_pages.h"

#include <fcntl.h>
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

bool IsCopy(std::uint64_t entry) { return (entry & kIsThere) != 0 && (entry & kIsOfFile) == 0; }

}  // namespace

std::optional<bool> AnyPageWasCopied(std::span<const std::byte> bytes) {
  static const auto page_bytes = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  const FileDescriptor pagemap(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  if (!pagemap) return std::nullopt;
  std::array<std::uint64_t, kEntriesAtOnce> entries{};
  const std::uint64_t first = reinterpret_cast<std::uintptr_t>(bytes.data());
  const std::uint64_t end = (first + bytes.size() - 1) / page_bytes + 1;
  for (std::uint64_t page = first / page_bytes; page < end;) {
    const std::uint64_t count = std::min<std::uint64_t>(entries.size(), end - page);
    const std::uint64_t wanted = count * sizeof(entries[0]);
    const auto at = static_cast<off_t>(page * sizeof(entries[0]));
    if (pread(pagemap.get(), entries.data(), wanted, at) != static_cast<ssize_t>(wanted)) return std::nullopt;
    if (std::ranges::any_of(std::span(entries).first(count), IsCopy)) return true;
    page += count;
  }
  return false;
}

}  // namespace tensorferry
