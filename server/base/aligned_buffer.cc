#include "base/aligned_buffer.h"

#include <fmt/format.h>

#include <utility>

#include "base/status.h"

namespace tensorferry {

absl::StatusOr<AlignedBuffer> AlignedBuffer::Allocate(std::size_t nbytes, MemoryBudget& budget) {
  AlignedBuffer buffer;
  TENSORFERRY_ASSIGN_OR_RETURN(buffer.reservation_, budget.Reserve(nbytes));
  if (nbytes == 0) return buffer;
  const std::size_t rounded = (nbytes + kAlignment - 1) / kAlignment * kAlignment;  // aligned_alloc wants a multiple.
  buffer.memory_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded)));
  if (buffer.memory_ == nullptr) {
    return MakeError(Reason::kMemoryBudget, fmt::format("the system has no {} bytes of memory now", nbytes),
                     {.actual = fmt::to_string(nbytes), .retry_after = std::chrono::milliseconds(1000)});
  }
  buffer.size_ = nbytes;
  return buffer;
}

}  // namespace tensorferry
