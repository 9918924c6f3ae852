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

// BufferPool gives out memory for the elements of arrays, and keeps it mapped between requests: writing into fresh
// pages costs several times what the copy of the elements costs. The memory budget admits each buffer before it is
// taken, be it from the pool or from the system.
//
// Threads:  any.
// Lifetime: outlives every buffer that it gave out; borrows `budget`.
class BufferPool {
 public:
  // The bytes that Admit adds: those of a huge page, which the first of them takes but in the first step.
  static constexpr std::size_t kStep = 2 << 20;

  // How the bytes of a buffer come.
  enum class Arrival : std::uint8_t { kAtOnce, kInSteps };

  // Keeps at most `max_idle_bytes` bytes in idle buffers.
  BufferPool(MemoryBudget& budget, std::uint64_t max_idle_bytes) : budget_(budget), max_idle_bytes_(max_idle_bytes) {}
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  ~BufferPool();

  // Takes a buffer of `nbytes` bytes. Here and below `peer` is that of MemoryBudget::Reserve.
  // Errors: those of MemoryBudget::Reserve, and MEMORY_BUDGET if the system has no memory.
  absl::StatusOr<AlignedBuffer> Take(std::size_t nbytes, const MemoryPeer* peer = nullptr);

  // Reserve and Take with a Reservation are the two steps of Take: Reserve admits the bytes, and Take takes the memory
  // for them later.
  absl::StatusOr<MemoryBudget::Reservation> Reserve(std::size_t nbytes, const MemoryPeer* peer = nullptr) {
    return budget_.Reserve(nbytes, peer);
  }
  absl::StatusOr<AlignedBuffer> Take(MemoryBudget::Reservation reservation);

  // These functions are those of MemoryBudget.
  absl::Status GrowTo(std::size_t nbytes, MemoryBudget::Reservation& reservation, const MemoryPeer* peer) {
    return budget_.GrowTo(nbytes, reservation, peer);
  }
  absl::Status CheckRoom(std::size_t nbytes, const MemoryPeer* peer = nullptr) {
    return budget_.CheckRoom(nbytes, peer);
  }

  // Takes a buffer of `nbytes` bytes that are still to come. AlignedBuffer::Admit has the budget admit them in steps of
  // kStep, so that announced bytes hold nothing. An idle buffer is admitted whole, since its memory is taken already.
  // Errors: those of Take, be it that the room is not held.
  absl::StatusOr<AlignedBuffer> TakeInSteps(std::size_t nbytes, const MemoryPeer* peer = nullptr);

  // Gives back to the system the buffers that were idle all the time since the last call. Returns their bytes.
  std::uint64_t Trim();

  struct Stats {
    std::uint64_t taken = 0;       // The number of buffers that were given out.
    std::uint64_t reused = 0;      // How many of them were idle before, not fresh from the system.
    std::uint64_t idle_bytes = 0;  // The bytes of all idle buffers.
  };
  Stats stats() const;

  const MemoryBudget& budget() const { return budget_; }
  PeerShares& shares() { return budget_.shares(); }

 private:
  friend class AlignedBuffer;

  struct IdleList {
    BufferHead* first = nullptr;
    std::size_t count = 0;
    std::size_t least = 0;  // The smallest `count` since the last Trim.
  };

  BufferHead* PopIdle(std::size_t size_class);  // Null if the list is empty.
  BufferHead* TakeIdle(std::size_t nbytes);
  absl::StatusOr<BufferHead*> TakeFresh(std::size_t nbytes, Arrival arrival);
  static AlignedBuffer HandOut(BufferHead* head, std::size_t nbytes, MemoryBudget::Reservation reservation);
  void GiveBack(BufferHead* head);
  void GiveIdleBackForRoom();

  MemoryBudget& budget_;
  const std::uint64_t max_idle_bytes_;
  mutable std::mutex mutex_;
  std::array<IdleList, kSizeClasses> idle_;
  Stats stats_;
};

// PoolFor is a pool, and the peer for whom memory is taken from it; null: nobody in particular. Borrows both.
struct PoolFor {
  PoolFor(BufferPool& from, const MemoryPeer* for_peer = nullptr) : pool(from), peer(for_peer) {}  // NOLINT: converts.

  absl::StatusOr<MemoryBudget::Reservation> Reserve(std::size_t nbytes) const { return pool.Reserve(nbytes, peer); }
  absl::StatusOr<AlignedBuffer> Take(std::size_t nbytes) const { return pool.Take(nbytes, peer); }
  absl::StatusOr<AlignedBuffer> TakeInSteps(std::size_t nbytes) const { return pool.TakeInSteps(nbytes, peer); }
  absl::Status CheckRoom(std::size_t nbytes) const { return pool.CheckRoom(nbytes, peer); }

  BufferPool& pool;
  const MemoryPeer* peer;
};

}  // namespace tensorferry
