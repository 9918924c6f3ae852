#include "base/sealed_regions.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <array>
#include <utility>

#include "base/status.h"

namespace tensorferry {
namespace {

SealedQuota::Limit PartOf(SealedQuota::Limit limit, std::uint64_t quarters) {
  return {.regions = limit.regions * quarters / 4, .nbytes = limit.nbytes / 4 * quarters};
}

// Returns 32 hexadecimal digits. getrandom waits for nothing once the machine has started, and is never interrupted for
// so few bytes.
absl::StatusOr<std::string> RandomDigits() {
  std::array<std::uint64_t, 2> bits{};
  if (getrandom(bits.data(), sizeof(bits), 0) != sizeof(bits)) {
    return MakeError(Reason::kInternal, "the system gives no random bits");
  }
  return fmt::format("{:016x}{:016x}", bits[0], bits[1]);
}

// Returns the region of that name, which holds these bytes.
template <typename Regions>
absl::StatusOr<typename Regions::mapped_type> FindIn(const Regions& regions, std::string_view name,
                                                     std::uint64_t offset, std::uint64_t nbytes) {
  const auto found = regions.find(name);
  if (found == regions.end()) {
    return MakeError(Reason::kRegionNotFound, fmt::format("Unable to find shared memory region: {}", Quote(name)),
                     {.field = "shared_memory.region", .actual = Quote(name)});
  }
  const std::uint64_t size = found->second->nbytes();
  if (offset > size || nbytes > size - offset) {
    return MakeError(
        Reason::kBadSharedMemory,
        fmt::format("shared memory region {} has {} bytes, not {} from {} on", Quote(name), size, nbytes, offset),
        {.field = "shared_memory", .actual = fmt::format("{} + {}", offset, nbytes), .limit = fmt::to_string(size)});
  }
  return found->second;
}

}  // namespace

SealedRegions::SealedRegions(SealedQuota::Limit limit)
    : limit_(limit), all_(SealedQuota::Make("all peers together", limit)) {}

std::shared_ptr<SealedQuota> SealedRegions::QuotaFor(uid_t user) {
  const std::lock_guard lock(mutex_);
  std::erase_if(users_, [](const auto& entry) { return entry.second.expired(); });
  std::shared_ptr<SealedQuota> quota = users_[user].lock();
  if (quota == nullptr) {
    quota = SealedQuota::Make("the peers of one user", PartOf(limit_, 3), all_);
    users_[user] = quota;
  }
  return SealedQuota::Make("one connection", PartOf(limit_, 2), std::move(quota));
}

absl::StatusOr<std::string> SealedRegions::Add(FileDescriptor file, std::uint64_t nbytes,
                                               const std::shared_ptr<SealedQuota>& quota) {
  TENSORFERRY_ASSIGN_OR_RETURN(auto memory, SealedMemory::Take(std::move(file), nbytes, quota));
  TENSORFERRY_ASSIGN_OR_RETURN(const std::string digits, RandomDigits());
  std::string name = fmt::format("{}{}", kPrefix, digits);
  const std::lock_guard lock(mutex_);
  regions_.emplace(name, std::move(memory));
  return name;
}

absl::StatusOr<std::string> SealedRegions::AddOutput(FileDescriptor file, std::uint64_t nbytes,
                                                     const std::shared_ptr<SealedQuota>& quota) {
  TENSORFERRY_ASSIGN_OR_RETURN(auto memory, OutputMemory::Take(std::move(file), nbytes, quota));
  TENSORFERRY_ASSIGN_OR_RETURN(const std::string digits, RandomDigits());
  std::string name = fmt::format("{}{}", kPrefix, digits);
  const std::lock_guard lock(mutex_);
  outputs_.emplace(name, std::move(memory));
  return name;
}

void SealedRegions::Remove(std::string_view name) {
  std::shared_ptr<const void> let_go;  // Closed after the lock is released.
  const std::lock_guard lock(mutex_);
  if (const auto found = regions_.find(name); found != regions_.end()) {
    let_go = std::move(found->second);
    regions_.erase(found);
  } else if (const auto output = outputs_.find(name); output != outputs_.end()) {
    let_go = std::move(output->second);
    outputs_.erase(output);
  }
}

absl::StatusOr<SealedRange> SealedRegions::Find(std::string_view name, std::uint64_t offset,
                                                std::uint64_t nbytes) const {
  const std::lock_guard lock(mutex_);
  TENSORFERRY_ASSIGN_OR_RETURN(auto memory, FindIn(regions_, name, offset, nbytes));
  return SealedRange{std::move(memory), offset, nbytes};
}

absl::StatusOr<OutputRange> SealedRegions::FindOutput(std::string_view name, std::uint64_t offset,
                                                      std::uint64_t nbytes) const {
  const std::lock_guard lock(mutex_);
  TENSORFERRY_ASSIGN_OR_RETURN(auto memory, FindIn(outputs_, name, offset, nbytes));
  return OutputRange{std::move(memory), offset, nbytes};
}

}  // namespace tensorferry
