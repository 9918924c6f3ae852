#include "base/peer_shares.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/memory_peer.h"
#include "base/status.h"

namespace tensorferry {
namespace {

constexpr std::chrono::milliseconds kRetryAfter{100};

absl::Status AboveShare(std::string_view what, std::uint64_t nbytes, std::uint64_t share) {
  return MakeError(Reason::kMemoryBudget, what,
                   {.actual = fmt::to_string(nbytes), .limit = fmt::to_string(share), .retry_after = kRetryAfter});
}

}  // namespace

std::string MemoryNameOf(std::string_view certificate, std::string_view address) {
  constexpr std::string_view kUnix = "unix";
  constexpr std::size_t kMostBytes = 256;
  if (!certificate.empty()) return fmt::format("certificate {}", certificate.substr(0, kMostBytes));
  if (address.starts_with(kUnix)) return std::string(kUnix);
  return std::string(address.substr(0, std::min(address.rfind(':'), address.size())));
}

absl::StatusOr<PeerShares::Account*> PeerShares::Admit(const std::string& name, std::uint64_t nbytes,
                                                       const std::function<absl::Status()>& take) {
  const MutexLock lock(mutex_);
  Account& account = accounts_.try_emplace(name, Account{.name = name}).first->second;
  const bool above = account.held >= share_ || nbytes > share_ - account.held;
  absl::Status status;
  if (above && OthersWait(name)) {
    status =
        AboveShare(fmt::format("{} bytes would bring this peer above its share of the server's memory budget while "
                               "others wait: it holds {} of {} bytes",
                               nbytes, account.held, share_),
                   nbytes, share_);
  } else {
    status = take();
    if (!status.ok() && !above) NoteWaiting(name);
  }
  if (status.ok()) {
    account.held += nbytes;
    return &account;
  }
  EraseIfEmpty(account);
  return status;
}

void PeerShares::Add(Account& account, std::uint64_t nbytes) {
  const MutexLock lock(mutex_);
  account.held += nbytes;
}

void PeerShares::Release(Account& account, std::uint64_t nbytes) {
  const MutexLock lock(mutex_);
  account.held -= nbytes;
  EraseIfEmpty(account);
}

void PeerShares::NoteRefusal(const std::string& name, std::uint64_t nbytes) {
  const MutexLock lock(mutex_);
  const auto found = accounts_.find(name);
  const std::uint64_t held = found == accounts_.end() ? 0 : found->second.held;
  if (held < share_ && nbytes <= share_ - held) NoteWaiting(name);
}

absl::Status PeerShares::CheckYield(const Account& account) {
  const MutexLock lock(mutex_);
  return Yield(account);
}

absl::Status PeerShares::CheckYield(const std::string& name) {
  const MutexLock lock(mutex_);
  const auto found = accounts_.find(name);
  return found == accounts_.end() ? absl::OkStatus() : Yield(found->second);
}

std::uint64_t PeerShares::most_held() const {
  const MutexLock lock(mutex_);
  std::uint64_t most = 0;
  for (const auto& [name, account] : accounts_) most = std::max(most, account.held);
  return most;
}

absl::Status PeerShares::Yield(const Account& account) {
  if (account.held <= share_ || !OthersWait(account.name)) return absl::OkStatus();
  return AboveShare(
      fmt::format("this peer holds {} bytes of the server's memory budget, which is more than its share of "
                  "{} bytes, and others wait",
                  account.held, share_),
      account.held, share_);
}

bool PeerShares::OthersWait(const std::string& name) {
  const Clock::time_point now = Clock::now();
  const auto waits = [&](const Waiting& waiting) { return now < waiting.until; };
  anybody_waits_.store(std::ranges::any_of(waiting_, waits), std::memory_order_relaxed);
  return std::ranges::any_of(waiting_, [&](const auto& each) { return waits(each) && each.name != name; });
}

void PeerShares::NoteWaiting(const std::string& name) {
  if (waiting_[0].name != name) waiting_[1] = std::exchange(waiting_[0], {.name = name});
  waiting_[0].until = Clock::now() + wait_;
  anybody_waits_.store(true, std::memory_order_relaxed);
}

void PeerShares::EraseIfEmpty(Account& account) {
  if (account.held == 0) accounts_.erase(accounts_.find(account.name));
}

}  // namespace tensorferry
