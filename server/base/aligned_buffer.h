#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>

#include "absl/status/statusor.h"
#include "base/memory_budget.h"

namespace tensorferry {

// Memory for the elements of one array, and the part of the budget that it counts against.
//
// Alignment: 64 bytes, what libtorch's own allocator gives; enough for complex128 and every vector unit.
// Content:   not initialised.
class AlignedBuffer {
 public:
  static constexpr std::size_t kAlignment = 64;

  // An empty buffer: data() is null.
  AlignedBuffer() = default;

  // Errors: those of MemoryBudget::Reserve, and MEMORY_BUDGET if the system has no memory.
  static absl::StatusOr<AlignedBuffer> Allocate(std::size_t nbytes, MemoryBudget& budget);

  std::byte* data() const { return memory_.get(); }
  std::size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  MemoryBudget::Reservation reservation_;  // Declared first: released after the memory is.
  std::unique_ptr<std::byte, Free> memory_;
  std::size_t size_ = 0;
};

}  // namespace tensorferry
