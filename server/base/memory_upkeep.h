#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "base/buffer_pool.h"
#include "base/periodic_thread.h"

namespace tensorferry {

// Makes malloc keep freed memory: messages of megabytes come and go, and fresh pages cost several times what filling
// them costs. Call it at the very beginning of a process. The process then needs a MemoryUpkeep, which gives unused
// memory back.
void KeepMallocMemory();

// MemoryUpkeep regularly gives memory back to the system: buffers of the pool that have been idle for a while, and
// malloc's free memory when no request was in progress meanwhile, or when much of it was free all the time.
// Lifetime: borrows `pool`.
class MemoryUpkeep {
 public:
  // A Report gets the pool's statistics and the number of bytes that were given back. It is called on this object's
  // thread.
  using Report = std::function<void(const BufferPool::Stats&, std::uint64_t nbytes)>;

  MemoryUpkeep(BufferPool& pool, Report report);

 private:
  void Look();
  void GiveBack();

  BufferPool& pool_;
  const Report report_;
  BufferPool::Stats last_;             // The statistics when the thread last looked.
  std::size_t free_when_trimmed_ = 0;  // The bytes that malloc still had free when it last gave some back.
  std::size_t least_free_;             // The fewest that it had at the looks since GiveBack.
  int looks_ = 0;
  PeriodicThread thread_;  // The last member: the thread uses the others.
};

}  // namespace tensorferry
