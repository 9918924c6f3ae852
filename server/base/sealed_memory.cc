#include "base/sealed_memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <chrono>
#include <span>
#include <string>

#include "base/status.h"

namespace tensorferry {
namespace {

constexpr int kNeededSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
constexpr std::uint64_t kBlockBytes = 512;  // The unit of st_blocks.

absl::Status BadFile(const std::string& why, const ErrorDetails& details = {}) {
  return MakeError(Reason::kBadSharedMemory, fmt::format("the descriptor {}", why), details);
}

// CheckSeals asks for the seals before anything else is asked: another process may answer for a descriptor of any other
// kind, and would keep the answer back for as long as it likes.
absl::Status CheckSeals(int file) {
  constexpr std::string_view kNeeded = "F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_WRITE";
  const int seals = fcntl(file, F_GET_SEALS);
  if (seals < 0) return BadFile("is no memfd", {.field = "descriptor", .expected = "a sealed memfd"});
  if ((seals & kNeededSeals) == kNeededSeals) return absl::OkStatus();
  return BadFile(fmt::format("has seals {:#x}; it needs {}", seals, kNeeded),
                 {.field = "seals", .expected = std::string(kNeeded), .actual = fmt::format("{:#x}", seals)});
}

absl::Status CheckKind(int file) {
  struct statfs system {};
  if (fstatfs(file, &system) != 0 || system.f_type != TMPFS_MAGIC) {
    return BadFile("is no memfd of ordinary pages", {.field = "descriptor"});
  }
  const int flags = fcntl(file, F_GETFL);
  if (flags < 0 || (flags & O_ACCMODE) == O_WRONLY) return BadFile("cannot be read", {.field = "descriptor"});
  return absl::OkStatus();
}

// CheckSize refuses memory with holes, for which the server would pay when it reads them.
absl::Status CheckSize(int file, std::uint64_t nbytes) {
  struct stat status {};
  if (fstat(file, &status) != 0) return BadFile("cannot be asked for its size", {.field = "nbytes"});
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size != nbytes || size == 0) {
    return BadFile(fmt::format("has {} bytes, not the {} that were announced; at least 1 is needed", size, nbytes),
                   {.field = "nbytes", .expected = fmt::to_string(size), .actual = fmt::to_string(nbytes)});
  }
  const std::uint64_t present = static_cast<std::uint64_t>(status.st_blocks) * kBlockBytes;
  if (present >= size) return absl::OkStatus();
  return BadFile(fmt::format("has memory for {} of its {} bytes; posix_fallocate gives it the others", present, size),
                 {.field = "nbytes", .expected = fmt::to_string(size), .actual = fmt::to_string(present)});
}

// PrivatePages are mapped pages of sealed memory, and what they hold on to.
class PrivatePages {
 public:
  PrivatePages(std::span<std::byte> pages, std::shared_ptr<const SealedMemory> memory,
               MemoryBudget::Reservation for_writes)
      : pages_(pages), memory_(std::move(memory)), for_writes_(std::move(for_writes)) {}
  PrivatePages(const PrivatePages&) = delete;
  PrivatePages& operator=(const PrivatePages&) = delete;
  ~PrivatePages() { munmap(pages_.data(), pages_.size()); }

 private:
  const std::span<std::byte> pages_;
  const std::shared_ptr<const SealedMemory> memory_;
  const MemoryBudget::Reservation for_writes_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const SealedMemory>> SealedMemory::Take(FileDescriptor file, std::uint64_t nbytes,
                                                                       const std::shared_ptr<SealedQuota>& quota) {
  TENSORFERRY_RETURN_IF_ERROR(CheckSeals(file.get()));
  TENSORFERRY_RETURN_IF_ERROR(CheckKind(file.get()));
  TENSORFERRY_RETURN_IF_ERROR(CheckSize(file.get(), nbytes));
  TENSORFERRY_ASSIGN_OR_RETURN(SealedQuota::Share share, quota->Take(nbytes));
  return std::shared_ptr<const SealedMemory>(new SealedMemory(std::move(file), nbytes, std::move(share)));
}

absl::StatusOr<std::shared_ptr<std::byte>> SealedRange::Map(MemoryBudget::Reservation for_writes) const {
  if (nbytes == 0) return std::shared_ptr<std::byte>();
  static const auto page_bytes = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  const std::uint64_t before = offset % page_bytes;
  const std::uint64_t mapped = before + nbytes;
  void* const pages = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, memory->file_.get(),
                           static_cast<off_t>(offset - before));
  if (pages == MAP_FAILED) {
    return MakeError(Reason::kMemoryBudget, "the system maps no more sealed memory now",
                     {.retry_after = std::chrono::milliseconds(1000)});
  }
  auto* const first = static_cast<std::byte*>(pages);
  const auto held = std::make_shared<PrivatePages>(std::span(first, mapped), memory, std::move(for_writes));
  return std::shared_ptr<std::byte>(held, first + before);
}

}  // namespace tensorferry
