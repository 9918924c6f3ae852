#include "base/output_memory.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "base/memfd.h"
#include "base/status.h"

namespace tensorferry {
namespace {

constexpr int kSizeSeals = F_SEAL_SHRINK | F_SEAL_GROW;

absl::Status Seal(int file, int seals) {
  if (fcntl(file, F_ADD_SEALS, seals) == 0) return absl::OkStatus();
  return BadDescriptor("cannot be sealed: it needs MFD_ALLOW_SEALING, and Linux 5.1", {.field = "seals"});
}

absl::Status NotWritable() {
  return BadDescriptor("cannot be written to, as outputs have to be", {.field = "descriptor"});
}

absl::StatusOr<std::span<std::byte>> MapForWriting(int file, std::uint64_t nbytes) {
  void* const pages = mmap(nullptr, nbytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (pages != MAP_FAILED) return std::span(static_cast<std::byte*>(pages), nbytes);
  return errno == EACCES || errno == EPERM ? NotWritable() : NotMapped();
}

}  // namespace

// The size is sealed first, so that all of it can be mapped, and F_SEAL_FUTURE_WRITE last, as nobody could map it for
// writing then. Until then its maker may still make holes: they are looked for once more.
absl::StatusOr<std::shared_ptr<const OutputMemory>> OutputMemory::Take(FileDescriptor file, std::uint64_t nbytes,
                                                                       const std::shared_ptr<SealedQuota>& quota) {
  TENSORFERRY_RETURN_IF_ERROR(SealsOf(file.get()).status());
  TENSORFERRY_RETURN_IF_ERROR(CheckOrdinaryPages(file.get()));
  // Who may not write may not seal either, and would be told that alone.
  if ((fcntl(file.get(), F_GETFL) & O_ACCMODE) == O_RDONLY) return NotWritable();
  TENSORFERRY_RETURN_IF_ERROR(Seal(file.get(), kSizeSeals));
  TENSORFERRY_RETURN_IF_ERROR(CheckWhole(file.get(), nbytes));
  TENSORFERRY_ASSIGN_OR_RETURN(SealedQuota::Share share, quota->Take(nbytes));
  TENSORFERRY_ASSIGN_OR_RETURN(const std::span<std::byte> pages, MapForWriting(file.get(), nbytes));
  std::shared_ptr<const OutputMemory> memory(new OutputMemory(pages, std::move(share)));
  TENSORFERRY_RETURN_IF_ERROR(Seal(file.get(), F_SEAL_FUTURE_WRITE));
  TENSORFERRY_RETURN_IF_ERROR(CheckWhole(file.get(), nbytes));
  return memory;
}

OutputMemory::~OutputMemory() { munmap(pages_.data(), pages_.size()); }

void OutputRange::Write(std::uint64_t at, std::span<const std::byte> content) const {
  if (!content.empty()) std::memcpy(memory->pages_.data() + offset + at, content.data(), content.size());
}

}  // namespace tensorferry
