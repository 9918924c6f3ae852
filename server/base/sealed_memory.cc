#include "base/sealed_memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "base/memfd.h"
#include "base/private_pages.h"
#include "base/status.h"

namespace tensorferry {
namespace {

constexpr int kNeededSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

// Pages that a request could write to stay mapped from so many bytes on: below, to map them anew takes no longer than to
// find out whether it did.
constexpr std::uint64_t kLeastKept = std::uint64_t{256} << 10;

absl::Status CheckSeals(int file) {
  constexpr std::string_view kNeeded = "F_SEAL_SHRINK, F_SEAL_GROW and F_SEAL_WRITE";
  TENSORFERRY_ASSIGN_OR_RETURN(const int seals, SealsOf(file));
  if ((seals & kNeededSeals) == kNeededSeals) return absl::OkStatus();
  return BadDescriptor(fmt::format("has seals {:#x}; it needs {}", seals, kNeeded),
                       {.field = "seals", .expected = std::string(kNeeded), .actual = fmt::format("{:#x}", seals)});
}

std::uint64_t PageSize() {
  static const auto page_bytes = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  return page_bytes;
}

}  // namespace

// LentPages are what one request has of sealed memory.
class LentPages {
 public:
  LentPages(std::unique_ptr<SealedPages> pages, const SealedRange& range, MemoryBudget::Reservation for_writes)
      : pages_(std::move(pages)), range_(range), for_writes_(std::move(for_writes)) {}
  LentPages(const LentPages&) = delete;
  LentPages& operator=(const LentPages&) = delete;
  ~LentPages() {
    // Without anybody else who could ask for the memory, the pages are not wanted any more.
    if (range_.memory.use_count() > 1) range_.memory->GiveBack(std::move(pages_), range_.offset);
    pages_ = nullptr;  // Before the memory budget has back what it had admitted for them.
  }

 private:
  std::unique_ptr<SealedPages> pages_;
  const SealedRange range_;  // Its offset is that of the pages.
  const MemoryBudget::Reservation for_writes_;
};

SealedPages::~SealedPages() { munmap(pages_.data(), pages_.size()); }

absl::StatusOr<std::shared_ptr<const SealedMemory>> SealedMemory::Take(FileDescriptor file, std::uint64_t nbytes,
                                                                       const std::shared_ptr<SealedQuota>& quota) {
  TENSORFERRY_RETURN_IF_ERROR(CheckSeals(file.get()));
  TENSORFERRY_RETURN_IF_ERROR(CheckOrdinaryPages(file.get()));
  TENSORFERRY_RETURN_IF_ERROR(CheckWhole(file.get(), nbytes));
  TENSORFERRY_ASSIGN_OR_RETURN(SealedQuota::Share share, quota->Take(nbytes));
  return std::shared_ptr<const SealedMemory>(new SealedMemory(std::move(file), nbytes, std::move(share)));
}

std::unique_ptr<SealedPages> SealedMemory::MapPages(std::uint64_t offset, std::uint64_t nbytes, int protection) const {
  void* const pages =
      mmap(nullptr, nbytes, protection, MAP_PRIVATE | MAP_NORESERVE, file_.get(), static_cast<off_t>(offset));
  if (pages == MAP_FAILED) return nullptr;
  return std::make_unique<SealedPages>(std::span(static_cast<std::byte*>(pages), nbytes));
}

const SealedPages* SealedMemory::ForReading() const {
  const std::lock_guard lock(mutex_);
  if (for_reading_ == nullptr) for_reading_ = MapPages(0, nbytes_, PROT_READ);
  return for_reading_.get();
}

std::unique_ptr<SealedPages> SealedMemory::Lend(std::uint64_t offset, std::uint64_t nbytes) const {
  std::unique_ptr<SealedPages> others;  // Unmapped after the lock is released.
  const std::lock_guard lock(mutex_);
  ++lent_;
  if (for_writing_ != nullptr) {
    if (for_writing_offset_ == offset && for_writing_->pages().size() == nbytes) return std::move(for_writing_);
    others = std::move(for_writing_);
  }
  return MapPages(offset, nbytes, PROT_READ | PROT_WRITE);
}

// Most memory is sent once: whether pages were written to is looked at from the second time on.
void SealedMemory::GiveBack(std::unique_ptr<SealedPages> pages, std::uint64_t offset) const {
  if (pages->pages().size() < kLeastKept) return;
  {
    const std::lock_guard lock(mutex_);
    if (lent_ < 2 || for_writing_ != nullptr) return;
  }
  if (AnyPageWasCopied(pages->pages()) != false) return;
  const std::lock_guard lock(mutex_);
  if (for_writing_ != nullptr) return;
  for_writing_ = std::move(pages);
  for_writing_offset_ = offset;
}

absl::StatusOr<std::shared_ptr<std::byte>> SealedRange::Read() const {
  if (nbytes == 0) return std::shared_ptr<std::byte>();
  const SealedPages* const pages = memory->ForReading();
  if (pages == nullptr) return NotMapped();
  return std::shared_ptr<std::byte>(std::const_pointer_cast<SealedMemory>(memory), pages->pages().data() + offset);
}

absl::StatusOr<std::shared_ptr<std::byte>> SealedRange::Map(MemoryBudget::Reservation for_writes) const {
  if (nbytes == 0) return std::shared_ptr<std::byte>();
  const std::uint64_t before = offset % PageSize();
  const SealedRange mapped{memory, offset - before, nbytes + before};
  std::unique_ptr<SealedPages> pages = memory->Lend(mapped.offset, mapped.nbytes);
  if (pages == nullptr) return NotMapped();
  std::byte* const first = pages->pages().data();
  const auto lent = std::make_shared<LentPages>(std::move(pages), mapped, std::move(for_writes));
  return std::shared_ptr<std::byte>(lent, first + before);
}

}  // namespace tensorferry
