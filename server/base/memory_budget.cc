#include "base/memory_budget.h"

#include <fmt/format.h>

#include <cassert>

#include "base/status.h"

namespace tensorferry {

MemoryBudget::Reservation::~Reservation() {
  if (budget_ != nullptr) budget_->used_.fetch_sub(nbytes_, std::memory_order_relaxed);
}

void MemoryBudget::Reservation::Merge(Reservation other) {
  assert(budget_ == nullptr || other.budget_ == nullptr || budget_ == other.budget_);
  if (budget_ == nullptr) budget_ = other.budget_;
  nbytes_ += std::exchange(other.nbytes_, 0);
}

absl::StatusOr<MemoryBudget::Reservation> MemoryBudget::Reserve(std::uint64_t nbytes) {
  std::uint64_t used = used_.load(std::memory_order_relaxed);
  do {
    if (nbytes > limit_ - used) return Refusal(nbytes, used);
  } while (!used_.compare_exchange_weak(used, used + nbytes, std::memory_order_relaxed));
  return Reservation(this, nbytes);
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
