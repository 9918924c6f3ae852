#pragma once

#include "base/buffer_pool.h"
#include "base/memory_budget.h"

namespace tensorferry {

// TestMemory is the memory for the arrays of a test.
struct TestMemory {
  explicit TestMemory(std::uint64_t limit_bytes = 1 << 24) : budget(limit_bytes), pool(budget, limit_bytes) {}
  MemoryBudget budget;
  BufferPool pool;
};

}  // namespace tensorferry
