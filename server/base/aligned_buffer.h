#pragma once

#include <cstddef>
#include <utility>

#include "base/memory_budget.h"

namespace tensorferry {

class BufferPool;

// What stands before the elements in a buffer's memory, so that a bare pointer to it is all that a deleter needs.
struct alignas(64) BufferHead {
  BufferPool* pool = nullptr;
  BufferHead* next = nullptr;  // The next idle buffer of its size.
  std::size_t nbytes = 0;      // Asked for.
  std::size_t capacity = 0;    // Bytes behind the head.
  MemoryBudget::Reservation reservation;
};
static_assert(sizeof(BufferHead) == 64, "the elements behind it are aligned");

// Memory for the elements of one array, and the part of the budget that it counts against. Made by BufferPool::Take.
//
// Alignment: 64 bytes, what libtorch's own allocator gives; enough for complex128 and every vector unit.
// Content:   not initialised.
class AlignedBuffer {
 public:
  static constexpr std::size_t kAlignment = alignof(BufferHead);

  // An empty buffer: data() is null.
  AlignedBuffer() = default;
  AlignedBuffer(AlignedBuffer&& other) noexcept : head_(std::exchange(other.head_, nullptr)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(head_, other.head_);
    return *this;
  }
  ~AlignedBuffer() { GiveBack(head_); }

  std::byte* data() const { return head_ == nullptr ? nullptr : reinterpret_cast<std::byte*>(head_ + 1); }
  std::size_t size() const { return head_ == nullptr ? 0 : head_->nbytes; }

  // The buffer as an opaque pointer, for owners that take one and a function that frees it: GiveBack.
  void* Release() && { return std::exchange(head_, nullptr); }
  static void GiveBack(void* released);  // Null is fine.

 private:
  friend class BufferPool;
  explicit AlignedBuffer(BufferHead* head) : head_(head) {}
  BufferHead* head_ = nullptr;
};

}  // namespace tensorferry
