#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/memory_peer.h"
#include "base/peer_shares.h"

namespace tensorferry {

// PeerShare says how much of the budget one peer may hold while others wait.
struct PeerShare {
  std::uint64_t percent = 100;             // Of the budget, at most 100: then all peers are as one.
  std::chrono::milliseconds wait{10'000};  // How long a peer counts as waiting after it was refused.
};

// MemoryBudget limits the bytes of all arrays in flight together. Memory is reserved here before it is taken from the
// system, so that a flood of large requests is refused instead of ending the process. It is counted for the peer that asks
// for it, but for what is reserved while less than a sixteenth of the budget is in use: that costs no lock.
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
        : budget_(std::exchange(other.budget_, nullptr)),
          nbytes_(std::exchange(other.nbytes_, 0)),
          account_(std::exchange(other.account_, nullptr)),
          others_(std::move(other.others_)) {}
    Reservation& operator=(Reservation&& other) noexcept {
      std::swap(budget_, other.budget_);
      std::swap(nbytes_, other.nbytes_);
      std::swap(account_, other.account_);
      std::swap(others_, other.others_);
      return *this;
    }
    ~Reservation();

    // Takes over the bytes of `other`, which is a reservation of the same budget. Each byte counts for its peer still.
    void Merge(Reservation other);

    std::uint64_t nbytes() const { return nbytes_; }

    // Returns whether to ask CheckYield, since somebody may be waiting for what is counted for a peer. Costs two loads.
    bool may_have_to_yield() const { return account_ != nullptr && budget_->shares_.anybody_waits(); }

    // Checks that the peer need not yield, since it holds more than its share and others wait. Of a reservation that
    // was merged, the peer is one of them.
    // Errors: MEMORY_BUDGET.
    absl::Status CheckYield() const;

   private:
    // Part is some of the bytes, which count for another peer than the rest.
    struct Part {
      PeerShares::Account* account;  // Null: they are counted for nobody.
      std::uint64_t nbytes;
    };

    friend class MemoryBudget;
    Reservation(MemoryBudget* budget, std::uint64_t nbytes, PeerShares::Account* account = nullptr)
        : budget_(budget), nbytes_(nbytes), account_(account) {}
    void EndCounting();
    void AddPartsOf(const Reservation& other);

    MemoryBudget* budget_ = nullptr;
    std::uint64_t nbytes_ = 0;
    // Counts all of nbytes_ that is in none of `others_`. Null: all are counted for nobody.
    PeerShares::Account* account_ = nullptr;
    std::unique_ptr<std::vector<Part>> others_;  // Null but for what several peers hold together.
  };

  explicit MemoryBudget(std::uint64_t limit_bytes, PeerShare share = {})
      : limit_(limit_bytes),
        uncounted_(share.percent == 100 ? limit_bytes : limit_bytes / 16),
        shares_(limit_bytes / 100 * share.percent + limit_bytes % 100 * share.percent / 100, share.wait) {}
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  // Reserves `nbytes` bytes for `peer`. Null: for nobody in particular.
  // Errors: TENSOR_TOO_LARGE if `nbytes` is more than the whole budget; MEMORY_BUDGET, with a retry delay, if it does
  //         not fit at the moment, or is more than the peer may hold while others wait.
  absl::StatusOr<Reservation> Reserve(std::uint64_t nbytes, const MemoryPeer* peer = nullptr);

  // Has `reservation`, which is the peer's or empty, hold at least `nbytes` bytes.
  // Errors: those of Reserve, and of Reservation::CheckYield; `reservation` is then as before.
  absl::Status GrowTo(std::uint64_t nbytes, Reservation& reservation, const MemoryPeer* peer);

  // Checks that `nbytes` bytes fit at the moment, without holding them. If not, `peer` counts as one that waits.
  // Errors: those of Reserve for nobody in particular.
  absl::Status CheckRoom(std::uint64_t nbytes, const MemoryPeer* peer = nullptr);

  std::uint64_t limit() const { return limit_; }
  std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  PeerShares& shares() { return shares_; }
  const PeerShares& shares() const { return shares_; }

 private:
  // Takes `nbytes` bytes if no more than `most` are in use then, and returns whether it has.
  bool Take(std::uint64_t nbytes, std::uint64_t most);

  // Errors: those of Reserve for nobody in particular.
  absl::Status TakeOrRefuse(std::uint64_t nbytes);
  absl::StatusOr<Reservation> ReserveCounted(std::uint64_t nbytes, const MemoryPeer& peer);

  // Returns why `nbytes` bytes do not fit while `used` bytes are in use.
  absl::Status Refusal(std::uint64_t nbytes, std::uint64_t used) const;

  const std::uint64_t limit_;
  const std::uint64_t uncounted_;  // While no more bytes are in use, they are counted for nobody.
  std::atomic<std::uint64_t> used_{0};
  PeerShares shares_;
};

}  // namespace tensorferry
