#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tensorferry {

// MemoryBudget limits the bytes of all arrays in flight together. Memory is reserved here before it is taken from the
// system, so that a flood of large requests is refused instead of ending the process.
//
// Threads:  any; reservations never block.
// Lifetime: outlives every Reservation.
class MemoryBudget {
 public:
  // A Reservation holds bytes of the budget until it is destroyed.
  class Reservation {
   public:
    Reservation() = default;
    Reservation(Reservation&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), nbytes_(std::exchange(other.nbytes_, 0)) {}
    Reservation& operator=(Reservation&& other) noexcept {
      std::swap(budget_, other.budget_);
      std::swap(nbytes_, other.nbytes_);
      return *this;
    }
    ~Reservation();

    // Takes over the bytes of `other`, which is a reservation of the same budget.
    void Merge(Reservation other);

    std::uint64_t nbytes() const { return nbytes_; }

   private:
    friend class MemoryBudget;
    Reservation(MemoryBudget* budget, std::uint64_t nbytes) : budget_(budget), nbytes_(nbytes) {}
    MemoryBudget* budget_ = nullptr;
    std::uint64_t nbytes_ = 0;
  };

  explicit MemoryBudget(std::uint64_t limit_bytes) : limit_(limit_bytes) {}
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  // Reserves `nbytes` bytes.
  // Errors: TENSOR_TOO_LARGE if `nbytes` is more than the whole budget; MEMORY_BUDGET, with a retry delay, if it does
  //         not fit at the moment.
  absl::StatusOr<Reservation> Reserve(std::uint64_t nbytes);

  // Checks that `nbytes` bytes fit at the moment, without holding them.
  // Errors: those of Reserve.
  absl::Status CheckRoom(std::uint64_t nbytes) const {
    const std::uint64_t used = this->used();
    return nbytes > limit_ - used ? Refusal(nbytes, used) : absl::OkStatus();
  }

  std::uint64_t limit() const { return limit_; }
  std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }

 private:
  // Returns why `nbytes` bytes do not fit while `used` bytes are in use.
  absl::Status Refusal(std::uint64_t nbytes, std::uint64_t used) const;

  const std::uint64_t limit_;
  std::atomic<std::uint64_t> used_{0};
};

}  // namespace tensorferry
