#include "base/memfd.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <chrono>

namespace tensorferry {
namespace {

constexpr std::uint64_t kBlockBytes = 512;  // The unit of st_blocks.

}  // namespace

absl::Status BadDescriptor(const std::string& why, const ErrorDetails& details) {
  return MakeError(Reason::kBadSharedMemory, fmt::format("the descriptor {}", why), details);
}

absl::StatusOr<int> SealsOf(int file) {
  const int seals = fcntl(file, F_GET_SEALS);
  if (seals < 0) return BadDescriptor("is no memfd", {.field = "descriptor", .expected = "a sealed memfd"});
  return seals;
}

absl::Status CheckOrdinaryPages(int file) {
  struct statfs system {};
  if (fstatfs(file, &system) != 0 || system.f_type != TMPFS_MAGIC) {
    return BadDescriptor("is no memfd of ordinary pages", {.field = "descriptor"});
  }
  const int flags = fcntl(file, F_GETFL);
  if (flags < 0 || (flags & O_ACCMODE) == O_WRONLY) return BadDescriptor("cannot be read", {.field = "descriptor"});
  return absl::OkStatus();
}

absl::Status CheckWhole(int file, std::uint64_t nbytes) {
  struct stat status {};
  if (fstat(file, &status) != 0) return BadDescriptor("cannot be asked for its size", {.field = "nbytes"});
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size != nbytes || size == 0) {
    return BadDescriptor(
        fmt::format("has {} bytes, not the {} that were announced; at least 1 is needed", size, nbytes),
        {.field = "nbytes", .expected = fmt::to_string(size), .actual = fmt::to_string(nbytes)});
  }
  const std::uint64_t present = static_cast<std::uint64_t>(status.st_blocks) * kBlockBytes;
  if (present >= size) return absl::OkStatus();
  return BadDescriptor(
      fmt::format("has memory for {} of its {} bytes; posix_fallocate gives it the others", present, size),
      {.field = "nbytes", .expected = fmt::to_string(size), .actual = fmt::to_string(present)});
}

absl::Status NotMapped() {
  return MakeError(Reason::kMemoryBudget, "the system maps no more sealed memory now",
                   {.retry_after = std::chrono::milliseconds(1000)});
}

}  // namespace tensorferry
