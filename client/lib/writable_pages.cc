#include "lib/writable_pages.h"

#include <sys/mman.h>

#include <cerrno>
#include <functional>

#include "base/private_pages.h"
#include "base/status.h"

namespace tensorferry::client {
namespace {

// PagesOwner is the deleter of an owner that OwnerOf made. It deletes nothing: it is what is owned.
struct PagesOwner {
  std::shared_ptr<WritablePages> pages;
  void operator()(const void*) const {}
};

}  // namespace

absl::StatusOr<std::shared_ptr<WritablePages>> WritablePages::Make(std::size_t nbytes, bool can_be_sealed) {
  void* const place = mmap(nullptr, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED) return NoMemory(nbytes, errno);
  std::shared_ptr<WritablePages> pages(new WritablePages({static_cast<std::byte*>(place), nbytes}));
  if (!can_be_sealed) return pages;
  TENSORFERRY_ASSIGN_OR_RETURN(pages->memory_, SealedMemory::Make(MemoryKind::kForInputs));
  TENSORFERRY_RETURN_IF_ERROR(pages->memory_->Allocate(nbytes));
  if (!pages->MapMemory(MAP_SHARED)) return NoMemory(nbytes, errno);
  return pages;
}

WritablePages::~WritablePages() { munmap(bytes_.data(), bytes_.size()); }

// Puts the memfd in the place of what is mapped.
bool WritablePages::MapMemory(int kind) {
  return mmap(bytes_.data(), bytes_.size(), PROT_READ | PROT_WRITE, kind | MAP_FIXED, memory_->file(), 0) != MAP_FAILED;
}

bool WritablePages::Seal() {
  if (!is_private_) is_private_ = MapMemory(MAP_PRIVATE);
  if (!is_sealed_) is_sealed_ = is_private_ && memory_->Seal(bytes_.size()).ok();
  return is_sealed_;
}

std::shared_ptr<SealedMemory> WritablePages::Freeze(std::size_t start, std::size_t nbytes) {
  if (memory_ == nullptr) return nullptr;
  {
    const std::scoped_lock lock(mutex_);
    const bool was_shared = !is_private_;
    if (!Seal()) return nullptr;
    if (was_shared) return memory_;  // What another thread writes from now on is no part of what is sent.
  }
  if (AnyPageWasCopied(bytes_.subspan(start, nbytes)) == false) return memory_;
  memory_->set_region(nullptr);  // The server need not keep it.
  return nullptr;
}

std::shared_ptr<const void> OwnerOf(std::shared_ptr<WritablePages> pages) {
  const void* const first = pages->bytes().data();
  return std::shared_ptr<const void>(first, PagesOwner{std::move(pages)});
}

namespace {

// Returns the pages that hold the elements of `array`; null if OwnerOf keeps none that do.
WritablePages* PagesOf(const Array& array) {
  const auto* const owner = std::get_deleter<PagesOwner>(array.owner);
  if (owner == nullptr || array.bytes.empty() || array.form != Array::Form::kElements) return nullptr;
  const std::span<std::byte> bytes = owner->pages->bytes();
  const std::byte* const first = array.bytes.data();
  const bool begins_inside = !std::less<>()(first, bytes.data()) && std::less<>()(first, bytes.data() + bytes.size());
  if (!begins_inside) return nullptr;
  const auto start = static_cast<std::size_t>(first - bytes.data());
  return array.bytes.size() <= bytes.size() - start ? owner->pages.get() : nullptr;
}

}  // namespace

bool IsWritable(const Array& array) {
  const WritablePages* const pages = PagesOf(array);
  return pages != nullptr && pages->can_be_sealed();
}

std::optional<SealedElements> Frozen(const Array& array) {
  WritablePages* const pages = PagesOf(array);
  if (pages == nullptr) return std::nullopt;
  const auto start = static_cast<std::size_t>(array.bytes.data() - pages->bytes().data());
  std::shared_ptr<SealedMemory> memory = pages->Freeze(start, array.bytes.size());
  if (memory == nullptr) return std::nullopt;
  return SealedElements{.memory = std::move(memory), .offset = start};
}

}  // namespace tensorferry::client
