// Sealed memory of callers on the same machine: a memfd that the kernel lets nobody write to, shrink or grow any more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/file_descriptor.h"
#include "base/memory_budget.h"
#include "base/sealed_quota.h"

namespace tensorferry {

// SealedPages are mapped pages of sealed memory.
class SealedPages {
 public:
  explicit SealedPages(std::span<std::byte> pages) : pages_(pages) {}
  SealedPages(const SealedPages&) = delete;
  SealedPages& operator=(const SealedPages&) = delete;
  ~SealedPages();

  std::span<std::byte> pages() const { return pages_; }

 private:
  const std::span<std::byte> pages_;
};

// SealedMemory is a memfd whose seals were checked. Its bytes stay what they are for as long as it exists, whatever its
// maker does, and touching them never raises SIGBUS.
// Threads: any.
class SealedMemory {
 public:
  // Takes over `file`, which any process may have made, and of which nothing is assumed.
  // Errors: BAD_SHARED_MEMORY if it is no memfd of ordinary pages, if a seal or a page is missing, if it cannot be read,
  //         or if it does not have exactly `nbytes` bytes; those of SealedQuota::Take.
  static absl::StatusOr<std::shared_ptr<const SealedMemory>> Take(FileDescriptor file, std::uint64_t nbytes,
                                                                  const std::shared_ptr<SealedQuota>& quota);
  SealedMemory(const SealedMemory&) = delete;
  SealedMemory& operator=(const SealedMemory&) = delete;

  std::uint64_t nbytes() const { return nbytes_; }

 private:
  friend struct SealedRange;
  friend class LentPages;
  SealedMemory(FileDescriptor file, std::uint64_t nbytes, SealedQuota::Share share)
      : file_(std::move(file)), nbytes_(nbytes), share_(std::move(share)) {}

  // Maps `nbytes` bytes from `offset` on, a multiple of the size of a page, with this protection. Null: the system maps
  // no more.
  std::unique_ptr<SealedPages> MapPages(std::uint64_t offset, std::uint64_t nbytes, int protection) const;

  // Returns all pages, which stay mapped as long as this object, and that nobody may write to. Null: as for MapPages.
  const SealedPages* ForReading() const;

  // Returns pages from `offset` on that one request may write to: those that were given back last, if they are the same.
  std::unique_ptr<SealedPages> Lend(std::uint64_t offset, std::uint64_t nbytes) const;

  // Takes back what Lend returned. Pages that nobody has written to stay mapped, if they may be wanted again.
  void GiveBack(std::unique_ptr<SealedPages> pages, std::uint64_t offset) const;

  const FileDescriptor file_;
  const std::uint64_t nbytes_;
  const SealedQuota::Share share_;
  mutable std::mutex mutex_;  // Guards the members below.
  mutable std::unique_ptr<SealedPages> for_reading_;
  mutable std::unique_ptr<SealedPages> for_writing_;  // Null: nothing was given back, or it is lent.
  mutable std::uint64_t for_writing_offset_ = 0;
  mutable std::uint64_t lent_ = 0;  // How often pages were lent.
};

// SealedRange is a range of bytes of sealed memory: it lies within it.
struct SealedRange {
  std::shared_ptr<const SealedMemory> memory;
  std::uint64_t offset = 0;  // The bytes of the memory before the range.
  std::uint64_t nbytes = 0;

  // Returns the bytes of the range, for requests that only read them: the same for all, mapped once. The memory is held
  // as long as the result. Whoever writes there ends the process.
  // Errors: MEMORY_BUDGET if the system maps no more.
  absl::StatusOr<std::shared_ptr<std::byte>> Read() const;

  // Maps the range for one request. Whoever holds the result may write there, too: a page that is written to is copied
  // first, and nobody else sees it. `for_writes` is what the memory budget has admitted for such pages. The mapping, the
  // memory and `for_writes` are held as long as the result. The address of byte 0 of the memory is that of a page.
  // Errors: MEMORY_BUDGET if the system maps no more.
  absl::StatusOr<std::shared_ptr<std::byte>> Map(MemoryBudget::Reservation for_writes) const;
};

}  // namespace tensorferry
