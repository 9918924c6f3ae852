#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/buffer_pool.h"
#include "base/status.h"

namespace tensorferry::http {

// SteppedBuffer is memory that is filled from its begin on, and that the memory budget admits as it is filled.
class SteppedBuffer {
 public:
  // Takes memory for at most `capacity` bytes, beside `beside` bytes that are held for the same request: what does not
  // fit beside them never will. Borrows what `pool` borrows.
  // Errors: those of BufferPool::TakeInSteps.
  static absl::StatusOr<SteppedBuffer> Take(std::size_t capacity, std::size_t beside, const PoolFor& pool) {
    const std::size_t together = capacity + beside;
    TENSORFERRY_ASSIGN_OR_RETURN(AlignedBuffer memory,
                                 pool.TakeInSteps(together > pool.pool.budget().limit() ? together : capacity));
    return SteppedBuffer(std::move(memory), pool.peer);
  }

  // Has the budget admit the next bytes, of which there must be some.
  // Errors: those of AlignedBuffer::Admit.
  absl::Status MakeRoom() {
    const std::size_t wanted = std::min(memory_.size(), filled_ + BufferPool::kStep);
    TENSORFERRY_RETURN_IF_ERROR(memory_.Admit(wanted, peer_));
    admitted_ = wanted;
    return absl::OkStatus();
  }

  // Returns where the next bytes go, and how many may.
  std::byte* end() const { return memory_.data() + filled_; }
  std::size_t room() const { return admitted_ - filled_; }

  // Says that `nbytes` bytes were written to end().
  void Fill(std::size_t nbytes) { filled_ += nbytes; }

  bool full() const { return filled_ == memory_.size(); }
  std::size_t capacity() const { return memory_.size(); }
  std::string_view bytes() const { return {reinterpret_cast<const char*>(memory_.data()), filled_}; }

  // Gives away the memory, in which bytes() stay where they are.
  AlignedBuffer Release() && { return std::move(memory_); }

 private:
  SteppedBuffer(AlignedBuffer memory, const MemoryPeer* peer) : memory_(std::move(memory)), peer_(peer) {}

  AlignedBuffer memory_;
  const MemoryPeer* peer_;
  std::size_t admitted_ = 0;
  std::size_t filled_ = 0;
};

}  // namespace tensorferry::http
