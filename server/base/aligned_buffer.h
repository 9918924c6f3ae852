#pragma once

#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "base/memory_budget.h"

namespace tensorferry {

class BufferPool;

// BufferHead lies in memory directly before a buffer's elements, so that a deleter needs nothing but a pointer to it.
struct alignas(64) BufferHead {
  BufferPool* pool = nullptr;
  BufferHead* next = nullptr;  // The next idle buffer of its size.
  std::size_t nbytes = 0;      // The size that the caller asked for.
  std::size_t capacity = 0;    // The size of the memory behind the head, in bytes.
  MemoryBudget::Reservation reservation;
};
static_assert(sizeof(BufferHead) == 64, "the elements behind it are aligned");

// AlignedBuffer owns the memory for the elements of one array, and the part of the memory budget that it counts
// against. BufferPool::Take makes it; the destructor gives the memory back to the pool.
//
// Alignment: 64 bytes, as libtorch's own allocator gives; that is enough for complex128 and every vector unit.
// Content:   not initialised.
class AlignedBuffer {
 public:
  static constexpr std::size_t kAlignment = alignof(BufferHead);

  // Makes an empty buffer, whose data() is null.
  AlignedBuffer() = default;
  AlignedBuffer(AlignedBuffer&& other) noexcept : head_(std::exchange(other.head_, nullptr)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(head_, other.head_);
    return *this;
  }
  ~AlignedBuffer() { GiveBack(head_); }

  std::byte* data() const { return head_ == nullptr ? nullptr : reinterpret_cast<std::byte*>(head_ + 1); }
  std::size_t size() const { return head_ == nullptr ? 0 : head_->nbytes; }

  // Has the memory budget admit the first `nbytes` bytes for `peer`, that of BufferPool::TakeInSteps. They may then be
  // written. They are admitted already unless the buffer was made by TakeInSteps.
  // Errors: MEMORY_BUDGET, also where the peer is to yield since it holds more than its share and others wait.
  absl::Status Admit(std::size_t nbytes, const MemoryPeer* peer = nullptr) {
    const bool is_well =
        head_ == nullptr || (nbytes <= head_->reservation.nbytes() && !head_->reservation.may_have_to_yield());
    return is_well ? absl::OkStatus() : AdmitMore(nbytes, peer);
  }

  // Gives up the memory as an opaque pointer, for an owner that frees it with a function: GiveBack.
  void* Release() && { return std::exchange(head_, nullptr); }
  static void GiveBack(void* released);  // Null is allowed, and does nothing.

 private:
  friend class BufferPool;
  explicit AlignedBuffer(BufferHead* head) : head_(head) {}
  absl::Status AdmitMore(std::size_t nbytes, const MemoryPeer* peer);
  BufferHead* head_ = nullptr;
};

}  // namespace tensorferry
