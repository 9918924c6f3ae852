#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/thread_annotations.h"

namespace tensorferry {

// PeerShares counts what each peer holds of the memory budget, and remembers who was refused for lack of room. While
// somebody else waits, no peer gets more than its share, and whoever holds more is to yield; a peer that is alone may hold
// everything. docs/adr/0035 says why so.
//
// Threads: any.
// Memory:  an account for each peer that holds something, and the names of two that wait.
class PeerShares {
 public:
  using Clock = std::chrono::steady_clock;

  // Account is what one peer holds. It exists while that is more than nothing.
  struct Account {
    std::string name;
    std::uint64_t held = 0;  // In bytes.
  };

  // `share` is in bytes. Whoever was refused counts as waiting for `wait`.
  PeerShares(std::uint64_t share, std::chrono::milliseconds wait) : share_(share), wait_(wait) {}
  PeerShares(const PeerShares&) = delete;
  PeerShares& operator=(const PeerShares&) = delete;

  // Counts `nbytes` more bytes, at least one, for the peer if `take` gives them. If `take` fails, the peer counts as one that
  // waits, unless the bytes would bring it above its share.
  // Errors: MEMORY_BUDGET if that is above the share while others wait; those of `take`.
  absl::StatusOr<Account*> Admit(const std::string& name, std::uint64_t nbytes,
                                 const std::function<absl::Status()>& take) TENSORFERRY_EXCLUDES(mutex_);

  // Counts bytes that are held already, and ends to count them.
  void Add(Account& account, std::uint64_t nbytes) TENSORFERRY_EXCLUDES(mutex_);
  void Release(Account& account, std::uint64_t nbytes) TENSORFERRY_EXCLUDES(mutex_);

  // Remembers that the peer has asked for `nbytes` bytes for which there is no room.
  void NoteRefusal(const std::string& name, std::uint64_t nbytes) TENSORFERRY_EXCLUDES(mutex_);

  // Returns whether somebody may be waiting. Costs a load.
  bool anybody_waits() const { return anybody_waits_.load(std::memory_order_relaxed); }

  // Checks that the peer need not yield, since it holds more than its share and others wait.
  // Errors: MEMORY_BUDGET.
  absl::Status CheckYield(const Account& account) TENSORFERRY_EXCLUDES(mutex_);
  absl::Status CheckYield(const std::string& name) TENSORFERRY_EXCLUDES(mutex_);

  // Returns the bytes of the peer that holds most.
  std::uint64_t most_held() const TENSORFERRY_EXCLUDES(mutex_);

 private:
  struct Waiting {
    std::string name;
    Clock::time_point until{};
  };

  bool OthersWait(const std::string& name) TENSORFERRY_REQUIRES(mutex_);
  void NoteWaiting(const std::string& name) TENSORFERRY_REQUIRES(mutex_);
  void EraseIfEmpty(Account& account) TENSORFERRY_REQUIRES(mutex_);
  absl::Status Yield(const Account& account) TENSORFERRY_REQUIRES(mutex_);

  const std::uint64_t share_;
  const std::chrono::milliseconds wait_;
  std::atomic<bool> anybody_waits_ = false;  // Written under mutex_.
  mutable Mutex mutex_;
  std::unordered_map<std::string, Account> accounts_ TENSORFERRY_GUARDED_BY(mutex_);
  // The peer that was refused last, and the last one before it with another name: one of them is not the peer that asks.
  std::array<Waiting, 2> waiting_ TENSORFERRY_GUARDED_BY(mutex_);
};

}  // namespace tensorferry
