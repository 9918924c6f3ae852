#include "base/sealed_quota.h"

#include <fmt/format.h>

#include <chrono>

#include "base/status.h"

namespace tensorferry {

SealedQuota::Share::~Share() {
  if (quota_ != nullptr) quota_->Subtract(nbytes_);
}

std::shared_ptr<SealedQuota> SealedQuota::Make(std::string_view whose, Limit limit,
                                               std::shared_ptr<SealedQuota> parent) {
  std::shared_ptr<SealedQuota> quota(new SealedQuota(whose, limit, std::move(parent)));
  quota->self_ = quota;
  return quota;
}

absl::StatusOr<SealedQuota::Share> SealedQuota::Take(std::uint64_t nbytes) {
  TENSORFERRY_RETURN_IF_ERROR(Add(nbytes));
  return Share(self_.lock(), nbytes);
}

absl::Status SealedQuota::Add(std::uint64_t nbytes) {
  if (nbytes > limit_.nbytes) {
    return MakeError(
        Reason::kTensorTooLarge,
        fmt::format("{} bytes of sealed memory are more than {} may ever have: {}", nbytes, whose_, limit_.nbytes),
        {.field = "nbytes", .actual = fmt::to_string(nbytes), .limit = fmt::to_string(limit_.nbytes)});
  }
  {
    const std::lock_guard lock(mutex_);
    if (used_.regions >= limit_.regions || nbytes > limit_.nbytes - used_.nbytes) {
      return MakeError(Reason::kMemoryBudget,
                       fmt::format("{} bytes of sealed memory do not fit now: {} may have {} regions with {} bytes, "
                                   "and {} regions with {} bytes are there",
                                   nbytes, whose_, limit_.regions, limit_.nbytes, used_.regions, used_.nbytes),
                       {.field = "nbytes",
                        .actual = fmt::to_string(nbytes),
                        .limit = fmt::to_string(limit_.nbytes),
                        .retry_after = std::chrono::milliseconds(100)});
    }
    ++used_.regions;
    used_.nbytes += nbytes;
  }
  if (parent_ == nullptr) return absl::OkStatus();
  absl::Status added = parent_->Add(nbytes);
  if (!added.ok()) {
    const std::lock_guard lock(mutex_);
    --used_.regions;
    used_.nbytes -= nbytes;
  }
  return added;
}

void SealedQuota::Subtract(std::uint64_t nbytes) {
  {
    const std::lock_guard lock(mutex_);
    --used_.regions;
    used_.nbytes -= nbytes;
  }
  if (parent_ != nullptr) parent_->Subtract(nbytes);
}

std::uint64_t SealedQuota::nbytes() const {
  const std::lock_guard lock(mutex_);
  return used_.nbytes;
}

}  // namespace tensorferry
