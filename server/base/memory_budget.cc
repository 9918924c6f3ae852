#include "base/memory_budget.h"

#include <fmt/format.h>

#include <cassert>
#include <string>

#include "base/status.h"

namespace tensorferry {

MemoryBudget::Reservation::~Reservation() {
  if (budget_ == nullptr) return;
  budget_->used_.fetch_sub(nbytes_, std::memory_order_relaxed);
  if (account_ != nullptr) EndCounting();
}

void MemoryBudget::Reservation::EndCounting() {
  std::uint64_t rest = nbytes_;
  if (others_ != nullptr) {
    for (const Part& part : *others_) {
      rest -= part.nbytes;
      if (part.account != nullptr) budget_->shares_.Release(*part.account, part.nbytes);
    }
  }
  budget_->shares_.Release(*std::exchange(account_, nullptr), rest);
}

void MemoryBudget::Reservation::Merge(Reservation other) {
  assert(budget_ == nullptr || other.budget_ == nullptr || budget_ == other.budget_);
  if (nbytes_ == 0) {
    *this = std::move(other);
    return;
  }
  if (account_ == nullptr && other.account_ != nullptr) std::swap(*this, other);
  if (account_ != other.account_ || other.others_ != nullptr) AddPartsOf(other);
  nbytes_ += std::exchange(other.nbytes_, 0);
  other.account_ = nullptr;
}

void MemoryBudget::Reservation::AddPartsOf(const Reservation& other) {
  if (others_ == nullptr) others_ = std::make_unique<std::vector<Part>>();
  others_->reserve(others_->size() + (other.others_ == nullptr ? 0 : other.others_->size()) + 1);  // May throw.
  std::uint64_t rest = other.nbytes_;
  if (other.others_ != nullptr) {
    for (const Part& part : *other.others_) rest -= part.nbytes;
    others_->insert(others_->end(), other.others_->begin(), other.others_->end());
  }
  if (other.account_ != account_) others_->push_back({other.account_, rest});
}

absl::Status MemoryBudget::Reservation::CheckYield() const {
  return account_ == nullptr ? absl::OkStatus() : budget_->shares_.CheckYield(*account_);
}

absl::StatusOr<MemoryBudget::Reservation> MemoryBudget::Reserve(std::uint64_t nbytes, const MemoryPeer* peer) {
  if (Take(nbytes, uncounted_)) return Reservation(this, nbytes);
  if (peer != nullptr && nbytes > 0 && nbytes <= limit_ && uncounted_ < limit_) return ReserveCounted(nbytes, *peer);
  TENSORFERRY_RETURN_IF_ERROR(TakeOrRefuse(nbytes));
  return Reservation(this, nbytes);
}

absl::StatusOr<MemoryBudget::Reservation> MemoryBudget::ReserveCounted(std::uint64_t nbytes, const MemoryPeer& peer) {
  const std::string name = peer.memory_name();
  if (name.empty()) {
    TENSORFERRY_RETURN_IF_ERROR(TakeOrRefuse(nbytes));
    return Reservation(this, nbytes);
  }
  TENSORFERRY_ASSIGN_OR_RETURN(PeerShares::Account* const account,
                               shares_.Admit(name, nbytes, [&] { return TakeOrRefuse(nbytes); }));
  return Reservation(this, nbytes, account);
}

// What was counted for nobody before is counted for the peer together with what is: one reservation has one account.
absl::Status MemoryBudget::GrowTo(std::uint64_t nbytes, Reservation& reservation, const MemoryPeer* peer) {
  TENSORFERRY_RETURN_IF_ERROR(reservation.CheckYield());
  if (nbytes <= reservation.nbytes_) return absl::OkStatus();
  TENSORFERRY_ASSIGN_OR_RETURN(Reservation more, Reserve(nbytes - reservation.nbytes_, peer));
  const auto count_too = [&](Reservation& uncounted, PeerShares::Account* account) {
    if (uncounted.nbytes_ == 0) return;
    shares_.Add(*account, uncounted.nbytes_);
    uncounted.account_ = account;
  };
  if (reservation.account_ == nullptr && more.account_ != nullptr) count_too(reservation, more.account_);
  if (reservation.account_ != nullptr && more.account_ == nullptr) count_too(more, reservation.account_);
  reservation.Merge(std::move(more));
  return absl::OkStatus();
}

absl::Status MemoryBudget::CheckRoom(std::uint64_t nbytes, const MemoryPeer* peer) {
  const std::uint64_t used = this->used();
  if (nbytes <= limit_ - used) return absl::OkStatus();
  if (peer != nullptr && nbytes <= limit_ && uncounted_ < limit_) {
    if (const std::string name = peer->memory_name(); !name.empty()) shares_.NoteRefusal(name, nbytes);
  }
  return Refusal(nbytes, used);
}

bool MemoryBudget::Take(std::uint64_t nbytes, std::uint64_t most) {
  std::uint64_t used = used_.load(std::memory_order_relaxed);
  do {
    if (used > most || nbytes > most - used) return false;
  } while (!used_.compare_exchange_weak(used, used + nbytes, std::memory_order_relaxed));
  return true;
}

absl::Status MemoryBudget::TakeOrRefuse(std::uint64_t nbytes) {
  std::uint64_t used = used_.load(std::memory_order_relaxed);
  do {
    if (nbytes > limit_ - used) return Refusal(nbytes, used);
  } while (!used_.compare_exchange_weak(used, used + nbytes, std::memory_order_relaxed));
  return absl::OkStatus();
}

absl::Status MemoryBudget::Refusal(std::uint64_t nbytes, std::uint64_t used) const {
  if (nbytes > limit_) {
    return MakeError(Reason::kTensorTooLarge,
                     fmt::format("{} bytes can never fit the server's memory budget of {} bytes", nbytes, limit_),
                     {.actual = fmt::to_string(nbytes), .limit = fmt::to_string(limit_)});
  }
  return MakeError(Reason::kMemoryBudget,
                   fmt::format("{} bytes do not fit the server's memory budget now: {} of {} bytes are in use", nbytes,
                               used, limit_),
                   {.actual = fmt::to_string(nbytes),
                    .limit = fmt::to_string(limit_),
                    .retry_after = std::chrono::milliseconds(100)});
}

}  // namespace tensorferry
