#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include "absl/status/statusor.h"

namespace tensorferry {

// OwnedBytes are bytes, with what keeps them in memory.
struct OwnedBytes {
  std::shared_ptr<const void> memory;
  std::span<const std::byte> bytes;
};

// TakenMemory is memory that is still to be filled.
struct TakenMemory {
  std::shared_ptr<void> memory;
  std::span<std::byte> bytes;
};

// TakeMemory takes memory for this many bytes, or says why there is none.
using TakeMemory = std::function<absl::StatusOr<TakenMemory>(std::size_t nbytes)>;

}  // namespace tensorferry
