#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"

namespace tensorferry {

// SealedQuota bounds the sealed memory that peers may hand over: all of them together, a user, or a connection. Each
// piece keeps a descriptor open, and memory alive that nobody can take back.
// Threads: any.
class SealedQuota {
 public:
  struct Limit {
    std::uint64_t regions = 0;
    std::uint64_t nbytes = 0;
  };

  // A Share is a part of a quota, and of its parents, until it is destroyed.
  class Share {
   public:
    Share(Share&& other) noexcept = default;
    Share& operator=(Share&& other) = delete;
    ~Share();

   private:
    friend class SealedQuota;
    Share(std::shared_ptr<SealedQuota> quota, std::uint64_t nbytes) : quota_(std::move(quota)), nbytes_(nbytes) {}
    std::shared_ptr<SealedQuota> quota_;  // Null: this object was moved from.
    std::uint64_t nbytes_;
  };

  // `whose` says in errors whose quota it is: "all peers". It is a literal. `parent` counts what this quota does, too;
  // null: there is none.
  static std::shared_ptr<SealedQuota> Make(std::string_view whose, Limit limit,
                                           std::shared_ptr<SealedQuota> parent = nullptr);

  // Takes `nbytes` bytes and one region.
  // Errors: TENSOR_TOO_LARGE if the quota never has so many bytes; MEMORY_BUDGET, with a retry delay, if it does not have
  //         them now.
  absl::StatusOr<Share> Take(std::uint64_t nbytes);

  std::uint64_t nbytes() const;  // The bytes in use.

 private:
  SealedQuota(std::string_view whose, Limit limit, std::shared_ptr<SealedQuota> parent)
      : whose_(whose), limit_(limit), parent_(std::move(parent)) {}
  absl::Status Add(std::uint64_t nbytes);
  void Subtract(std::uint64_t nbytes);

  const std::string_view whose_;
  const Limit limit_;
  const std::shared_ptr<SealedQuota> parent_;
  std::weak_ptr<SealedQuota> self_;
  mutable std::mutex mutex_;  // Guards used_.
  Limit used_;
};

}  // namespace tensorferry
