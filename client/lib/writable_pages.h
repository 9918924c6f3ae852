#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "lib/sealed_memory.h"
#include "tensorferry/client/array.h"

namespace tensorferry::client {

// WritablePages are the memory of a WritableArray: zeros at first. Pages that can be sealed are those of a memfd until
// Freeze seals it. From then on they are private copies of them, made as they are written to: the memory can be used
// on, and the memfd keeps what it had.
// Threads: any.
class WritablePages {
 public:
  // `nbytes` is above 0.
  // Errors: RESOURCE_EXHAUSTED where the system has no memory for it.
  static absl::StatusOr<std::shared_ptr<WritablePages>> Make(std::size_t nbytes, bool can_be_sealed);
  WritablePages(const WritablePages&) = delete;
  WritablePages& operator=(const WritablePages&) = delete;
  ~WritablePages();

  std::span<std::byte> bytes() const { return bytes_; }
  bool can_be_sealed() const { return memory_ != nullptr; }

  // Returns the sealed memory that holds these bytes of the pages at the same place. Null: it does not hold them, as
  // they were written to since it was sealed, or as a forked process could still write to it.
  std::shared_ptr<SealedMemory> Freeze(std::size_t start, std::size_t nbytes);

 private:
  explicit WritablePages(std::span<std::byte> bytes) : bytes_(bytes) {}
  bool MapMemory(int kind);
  bool Seal();

  const std::span<std::byte> bytes_;
  std::shared_ptr<SealedMemory> memory_;  // Null: the pages cannot be sealed.
  std::mutex mutex_;                      // Guards the members below.
  bool is_private_ = false;
  bool is_sealed_ = false;
};

// OwnerOf returns what keeps the pages, for Array::owner.
std::shared_ptr<const void> OwnerOf(std::shared_ptr<WritablePages> pages);

// IsWritable returns whether the elements of an array lie in pages that OwnerOf keeps, and that can be sealed.
bool IsWritable(const Array& array);

// Frozen returns the sealed memory that an array lies in. Nothing: it lies in no pages that OwnerOf keeps, or Freeze
// returns none for it.
std::optional<SealedElements> Frozen(const Array& array);

}  // namespace tensorferry::client
