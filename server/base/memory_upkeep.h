#pragma once

#include <cstdint>
#include <functional>

#include "base/buffer_pool.h"
#include "base/periodic_thread.h"

namespace tensorferry {

// Make malloc keep the memory that it has: messages of megabytes come and go, and fresh pages cost several times what
// filling them costs. To be called at the very beginning of a process, which then wants a MemoryUpkeep.
void KeepMallocMemory();

// Gives back what has not been needed for a while: idle buffers, and malloc's memory when nothing goes on.
// Lifetime: borrows `pool`.
class MemoryUpkeep {
 public:
  // `report` is called with the bytes given back, on a thread of this object's.
  using Report = std::function<void(const BufferPool::Stats&, std::uint64_t nbytes)>;

  MemoryUpkeep(BufferPool& pool, Report report);

 private:
  void GiveBack();

  BufferPool& pool_;
  const Report report_;
  BufferPool::Stats last_;  // At the last look.
  bool trimmed_ = true;     // Whether malloc has given back what it can since the last request.
  PeriodicThread thread_;   // Last: it uses the rest.
};

}  // namespace tensorferry
