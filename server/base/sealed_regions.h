#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/file_descriptor.h"
#include "base/output_memory.h"
#include "base/sealed_memory.h"
#include "base/sealed_quota.h"

namespace tensorferry {

// SealedRegions holds the memory that peers have handed over, sealed memory for inputs and memory for outputs, each
// under a name that nobody can guess: 128 random bits. Whoever was told a name may use the region, over any connection.
// Threads: any.
class SealedRegions {
 public:
  // `limit` bounds what all peers hand over together. A user may have three quarters of it, and a connection half.
  explicit SealedRegions(SealedQuota::Limit limit);

  // Returns whether `name` is one that these regions have: "sealed:" and 32 digits.
  static bool IsName(std::string_view name) { return name.starts_with(kPrefix); }

  // Returns the quota of a new connection of `user`.
  std::shared_ptr<SealedQuota> QuotaFor(uid_t user);

  // Returns the name of the new region.
  // Errors: those of SealedMemory::Take.
  absl::StatusOr<std::string> Add(FileDescriptor file, std::uint64_t nbytes, const std::shared_ptr<SealedQuota>& quota);

  // Returns the name of the new region, which is for outputs.
  // Errors: those of OutputMemory::Take.
  absl::StatusOr<std::string> AddOutput(FileDescriptor file, std::uint64_t nbytes,
                                        const std::shared_ptr<SealedQuota>& quota);

  // Requests that use the region go on. An unknown name is no error.
  void Remove(std::string_view name);

  // Returns the range of `nbytes` bytes from `offset` of the region on.
  // Errors: REGION_NOT_FOUND; BAD_SHARED_MEMORY if the region does not hold these bytes.
  absl::StatusOr<SealedRange> Find(std::string_view name, std::uint64_t offset, std::uint64_t nbytes) const;

  // As Find, of a region for outputs.
  absl::StatusOr<OutputRange> FindOutput(std::string_view name, std::uint64_t offset, std::uint64_t nbytes) const;

  // Returns the bytes of all regions, and of those that were removed and are used by requests.
  std::uint64_t nbytes() const { return all_->nbytes(); }

 private:
  static constexpr std::string_view kPrefix = "sealed:";

  const SealedQuota::Limit limit_;
  const std::shared_ptr<SealedQuota> all_;
  mutable std::mutex mutex_;                           // Guards the members below.
  std::map<uid_t, std::weak_ptr<SealedQuota>> users_;  // Those that have a connection, or memory that is in use.
  std::map<std::string, std::shared_ptr<const SealedMemory>, std::less<>> regions_;
  std::map<std::string, std::shared_ptr<const OutputMemory>, std::less<>> outputs_;
};

}  // namespace tensorferry
