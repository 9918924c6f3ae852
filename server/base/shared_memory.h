// Memory of callers on the same machine: POSIX shared memory objects, of which they register regions by names.
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

// A registered region, mapped for as long as anybody holds it, also when it was unregistered meanwhile. Its owner may
// write into it at any time, and cut it off: what is not there any more reads as zeros, and CheckWhole says so from then
// on.
// Threads:  any.
// Lifetime: its bytes are touched while the process has a BusErrorHandler.
class SharedRegion {
 public:
  // `file`: of the object; taken over.
  // Errors: MEMORY_BUDGET if the system maps no more.
  static absl::StatusOr<std::shared_ptr<const SharedRegion>> Map(const std::string& name, const std::string& key,
                                                                 std::uint64_t offset, std::uint64_t nbytes, int file);
  SharedRegion(const SharedRegion&) = delete;
  SharedRegion& operator=(const SharedRegion&) = delete;
  ~SharedRegion();

  const std::string& name() const { return name_; }
  const std::string& key() const { return key_; }
  std::uint64_t offset() const { return offset_; }  // Bytes, in the object.
  std::uint64_t nbytes() const { return nbytes_; }
  std::span<std::byte> bytes() const { return {data_, nbytes_}; }

  // Whether the bytes are there: to be asked before they are used, and again afterwards.
  // Errors: BAD_SHARED_MEMORY if the object is smaller than the region, or was when the bytes were used.
  absl::Status CheckWhole() const;

 private:
  SharedRegion(std::string name, std::string key, std::uint64_t offset, std::uint64_t nbytes, int file)
      : name_(std::move(name)), key_(std::move(key)), offset_(offset), nbytes_(nbytes), file_(file) {}

  const std::string name_, key_;
  const std::uint64_t offset_, nbytes_;
  const int file_;
  std::span<std::byte> pages_;           // What is mapped: the bytes, from the beginning of their first page on.
  std::optional<WatchedMapping> watch_;  // Watches the pages. Nothing: they are not mapped.
  std::byte* data_ = nullptr;
};

// Bytes of a region.
struct SharedRange {
  std::shared_ptr<const SharedRegion> region;
  std::uint64_t offset = 0;  // In the region.
  std::uint64_t nbytes = 0;

  std::span<std::byte> bytes() const { return region->bytes().subspan(offset, nbytes); }

  // Errors: those of CheckWhole. `content` is no longer than nbytes.
  absl::Status Write(std::span<const std::byte> content) const;
};

// The regions by name.
// Threads: any.
class SharedRegions {
 public:
  // Where they are not enabled every call is refused with SHARED_MEMORY_DISABLED, but those that give up or list
  // regions; `why_disabled`, if there is any, ends the message.
  explicit SharedRegions(bool enabled, std::string_view why_disabled = "");

  bool enabled() const { return enabled_; }

  // Errors: SHARED_MEMORY_DISABLED.
  absl::Status CheckEnabled() const;

  // `key`: as for shm_open, "/name". False: the name is taken.
  // Errors: BAD_SHARED_MEMORY if there is no such object, it does not hold these bytes, or there are as many regions as
  //         may be.
  absl::StatusOr<bool> Register(const std::string& name, const std::string& key, std::uint64_t offset,
                                std::uint64_t nbytes);

  // Empty: all. Requests that use a region go on. What is not there need not be given up.
  void Unregister(const std::string& name);

  // Errors: REGION_NOT_FOUND; BAD_SHARED_MEMORY if the region has not these bytes.
  absl::StatusOr<SharedRange> Find(std::string_view name, std::uint64_t offset, std::uint64_t nbytes) const;

  // Every region, by name.
  std::vector<std::shared_ptr<const SharedRegion>> List() const;

 private:
  const bool enabled_;
  const std::string why_disabled_;
  const std::size_t max_regions_;  // Each keeps a file open.
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const SharedRegion>, std::less<>> regions_;
};

}  // namespace tensorferry
