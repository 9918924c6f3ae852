#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

#include "base/buffer_pool.h"

namespace tensorferry {

// Make malloc keep what it has: messages of megabytes come and go, and fresh pages cost several times what filling them
// costs. To be called at the very beginning of a process, which then wants a MemoryUpkeep.
void KeepMallocMemory();

// Gives back what has not been needed for a while: idle buffers, and malloc's memory when nothing goes on.
// Lifetime: borrows `pool`.
class MemoryUpkeep {
 public:
  // `report` is called with the bytes given back, on a thread of this object's.
  using Report = std::function<void(const BufferPool::Stats&, std::uint64_t nbytes)>;

  MemoryUpkeep(BufferPool& pool, Report report);
  ~MemoryUpkeep();

 private:
  void Run();

  BufferPool& pool_;
  const Report report_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool ending_ = false;
  std::thread thread_;  // Last: it uses the rest.
};

}  // namespace tensorferry
