#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "absl/status/statusor.h"
#include "base/aligned_buffer.h"
#include "base/memory_budget.h"
#include "base/size_class.h"

namespace tensorferry {

// Buffers for arrays, kept mapped between requests: writing into fresh pages costs several times what the copy itself
// costs. Memory is admitted by the budget before it is taken, from the pool or from the system.
//
// Threads:  any.
// Lifetime: outlives every buffer that it gave; borrows `budget`.
class BufferPool {
 public:
  // Keeps at most `max_idle_bytes` in buffers that nobody uses.
  BufferPool(MemoryBudget& budget, std::uint64_t max_idle_bytes) : budget_(budget), max_idle_bytes_(max_idle_bytes) {}
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  ~BufferPool();

  // Errors: those of MemoryBudget::Reserve, and MEMORY_BUDGET if the system has no memory.
  absl::StatusOr<AlignedBuffer> Take(std::size_t nbytes);

  // Take in two steps: admission, and later the memory, of reservation.nbytes() bytes.
  absl::StatusOr<MemoryBudget::Reservation> Reserve(std::size_t nbytes) { return budget_.Reserve(nbytes); }
  absl::StatusOr<AlignedBuffer> Take(MemoryBudget::Reservation reservation);

  // Give back to the system what was idle all the time since the last call. Returns the bytes.
  std::uint64_t Trim();

  struct Stats {
    std::uint64_t taken = 0;       // Buffers given out.
    std::uint64_t reused = 0;      // Buffers among them that were idle before.
    std::uint64_t idle_bytes = 0;  // In buffers that nobody uses.
  };
  Stats stats() const;

  const MemoryBudget& budget() const { return budget_; }

 private:
  friend class AlignedBuffer;

  struct IdleList {
    BufferHead* first = nullptr;
    std::size_t count = 0;
    std::size_t least = 0;  // Smallest count since the last Trim.
  };

  BufferHead* PopIdle(std::size_t size_class);  // Null if there is none.
  void GiveBack(BufferHead* head);

  MemoryBudget& budget_;
  const std::uint64_t max_idle_bytes_;
  mutable std::mutex mutex_;
  std::array<IdleList, kSizeClasses> idle_;
  Stats stats_;
};

}  // namespace tensorferry
