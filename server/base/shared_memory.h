// Shared memory of callers on the same machine: they register regions of POSIX shared memory objects under names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bus_errors.h"

namespace tensorferry {

// SharedRegion is a registered region. It stays mapped while a shared_ptr to it exists, also after it was unregistered.
// The caller who made the object may write into the region at any time, and may truncate the object: the bytes that are
// gone then read as zeros, and CheckWhole fails from then on.
// Threads:  any.
// Lifetime: its bytes are touched only while the process has a BusErrorHandler.
class SharedRegion {
 public:
  // Maps `nbytes` bytes from `offset` on. `file` is the descriptor of the object; the region takes it over.
  // Errors: MEMORY_BUDGET if the system maps no more memory.
  static absl::StatusOr<std::shared_ptr<const SharedRegion>> Map(const std::string& name, const std::string& key,
                                                                 std::uint64_t offset, std::uint64_t nbytes, int file);
  SharedRegion(const SharedRegion&) = delete;
  SharedRegion& operator=(const SharedRegion&) = delete;
  ~SharedRegion();

  const std::string& name() const { return name_; }
  const std::string& key() const { return key_; }
  std::uint64_t offset() const { return offset_; }  // The bytes of the object before the region.
  std::uint64_t nbytes() const { return nbytes_; }
  std::span<std::byte> bytes() const { return {data_, nbytes_}; }

  // Checks that no byte of the region is gone. Call it before the bytes are used, and again afterwards.
  // Errors: BAD_SHARED_MEMORY if the object is smaller than the region, or was so when the bytes were used.
  absl::Status CheckWhole() const;

 private:
  SharedRegion(std::string name, std::string key, std::uint64_t offset, std::uint64_t nbytes, int file)
      : name_(std::move(name)), key_(std::move(key)), offset_(offset), nbytes_(nbytes), file_(file) {}

  const std::string name_, key_;
  const std::uint64_t offset_, nbytes_;
  const int file_;
  std::span<std::byte> pages_;  // The mapped pages: from the page in which the region begins to the region's end.
  std::optional<WatchedMapping> watch_;  // Nothing: the pages are not mapped.
  std::byte* data_ = nullptr;
};

// SharedRange is a range of bytes of a region.
struct SharedRange {
  std::shared_ptr<const SharedRegion> region;
  std::uint64_t offset = 0;  // The bytes of the region before the range.
  std::uint64_t nbytes = 0;

  std::span<std::byte> bytes() const { return region->bytes().subspan(offset, nbytes); }

  // Copies `content`, at most `nbytes` bytes, to the beginning of the range.
  // Errors: those of CheckWhole.
  absl::Status Write(std::span<const std::byte> content) const;
};

// SharedRegions holds the registered regions by name.
// Threads: any.
class SharedRegions {
 public:
  // If `enabled` is false, every call but Unregister and List is refused with SHARED_MEMORY_DISABLED; `why_disabled`
  // then ends the message.
  explicit SharedRegions(bool enabled, std::string_view why_disabled = "");

  bool enabled() const { return enabled_; }

  // Errors: SHARED_MEMORY_DISABLED if the regions are not enabled.
  absl::Status CheckEnabled() const;

  // Registers a region of the object `key`, which is a name as shm_open takes it: "/name". Returns false if `name` is
  // taken.
  // Errors: BAD_SHARED_MEMORY if the object does not exist, if it does not hold these bytes, or if as many regions are
  //         registered as are allowed.
  absl::StatusOr<bool> Register(const std::string& name, const std::string& key, std::uint64_t offset,
                                std::uint64_t nbytes);

  // Unregisters a region, or all regions if `name` is empty. Requests that use a region go on. An unknown name is no
  // error.
  void Unregister(const std::string& name);

  // Returns the range of `nbytes` bytes from `offset` of the region on.
  // Errors: REGION_NOT_FOUND; BAD_SHARED_MEMORY if the region does not hold these bytes.
  absl::StatusOr<SharedRange> Find(std::string_view name, std::uint64_t offset, std::uint64_t nbytes) const;

  // Returns all regions, sorted by name.
  std::vector<std::shared_ptr<const SharedRegion>> List() const;

 private:
  const bool enabled_;
  const std::string why_disabled_;
  const std::size_t max_regions_;  // Limited, because each region keeps a file open.
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const SharedRegion>, std::less<>> regions_;
};

}  // namespace tensorferry
