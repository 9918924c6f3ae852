#include "base/memfd.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <chrono>

#include "base/file_descriptor.h"

namespace tensorferry {
namespace {

constexpr std::uint64_t kBlockBytes = 512;  // The unit of st_blocks.

// Frees pages beyond the end, which fallocate makes with FALLOC_FL_KEEP_SIZE: to "truncate" a file to the size that it
// has does that, also where its seals are set. A descriptor for reading alone may not, but another one of the same file.
bool FreePagesBeyondEnd(int file, off_t size) {
  if (ftruncate(file, size) == 0) return true;
  const FileDescriptor other(open(fmt::format("/proc/self/fd/{}", file).c_str(), O_WRONLY | O_CLOEXEC));
  return other && ftruncate(other.get(), size) == 0;
}

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
  // Pages beyond the end would be counted in the place of those that are missing.
  if (!FreePagesBeyondEnd(file, status.st_size) || fstat(file, &status) != 0) {
    return BadDescriptor("cannot be asked whether every page is there, as its file cannot be opened for writing",
                         {.field = "descriptor"});
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
