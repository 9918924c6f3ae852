// Memory of callers on the same machine: POSIX shared memory objects, of which they register regions by names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tensorferry {

// A part of a region, mapped for one request. Its owner may write into it at any time, and cut it off: what is not there
// any more reads as zeros, and truncated() says so. What is written here stays here.
class SharedMapping {
 public:
  SharedMapping(const SharedMapping&) = delete;
  SharedMapping& operator=(const SharedMapping&) = delete;
  ~SharedMapping();

  std::byte* data() const { return data_; }
  std::span<const std::byte> bytes() const { return {data_, nbytes_}; }

  // Errors: BAD_SHARED_MEMORY if some of the bytes were not there when they were looked at.
  absl::Status CheckWhole() const;

 private:
  friend class SharedRegion;
  SharedMapping() = default;

  std::string region_;
  std::byte* pages_ = nullptr;  // Whole pages, around the bytes.
  std::size_t pages_nbytes_ = 0;
  std::byte* data_ = nullptr;
  std::size_t nbytes_ = 0;
  std::size_t slot_ = 0;  // Of the table that the handler of SIGBUS looks at.
};

// A registered region. Whoever holds it can use it, also when it was unregistered meanwhile.
// Threads: any.
class SharedRegion {
 public:
  SharedRegion(std::string name, std::string key, std::uint64_t offset, std::uint64_t nbytes, int file)
      : name_(std::move(name)), key_(std::move(key)), offset_(offset), nbytes_(nbytes), file_(file) {}
  SharedRegion(const SharedRegion&) = delete;
  SharedRegion& operator=(const SharedRegion&) = delete;
  ~SharedRegion();

  const std::string& name() const { return name_; }
  const std::string& key() const { return key_; }
  std::uint64_t offset() const { return offset_; }  // Bytes, in the object.
  std::uint64_t nbytes() const { return nbytes_; }

  // `offset` and `nbytes` are in the region.
  // Errors: BAD_SHARED_MEMORY if the object has become too small; MEMORY_BUDGET if the system maps no more.
  absl::StatusOr<std::shared_ptr<SharedMapping>> Map(std::uint64_t offset, std::size_t nbytes) const;
  absl::Status Write(std::uint64_t offset, std::span<const std::byte> bytes) const;

  // Errors: BAD_SHARED_MEMORY if the object has become too small.
  absl::Status CheckSize() const;

 private:
  const std::string name_, key_;
  const std::uint64_t offset_, nbytes_;
  const int file_;
};

// Bytes of a region.
struct SharedRange {
  std::shared_ptr<const SharedRegion> region;
  std::uint64_t offset = 0;  // In the region.
  std::uint64_t nbytes = 0;
};

// The regions by name.
// Threads: any.
class SharedRegions {
 public:
  // Where it is not enabled every call is refused with SHARED_MEMORY_DISABLED, but those that give up or list regions.
  explicit SharedRegions(bool enabled);

  bool enabled() const { return enabled_; }

  // Errors: SHARED_MEMORY_DISABLED.
  absl::Status CheckEnabled() const;

  // `key`: as for shm_open, "/name". False: the name is taken.
  // Errors: BAD_SHARED_MEMORY if there is no such object, or it does not hold these bytes.
  absl::StatusOr<bool> Register(const std::string& name, const std::string& key, std::uint64_t offset,
                                std::uint64_t nbytes);

  // Empty: all. Requests that use a region go on. What is not there need not be given up.
  void Unregister(const std::string& name);

  // Errors: REGION_NOT_FOUND; BAD_SHARED_MEMORY if the region has not these bytes.
  absl::StatusOr<SharedRange> Find(std::string_view name, std::uint64_t offset, std::uint64_t nbytes) const;

  // By name.
  std::vector<std::shared_ptr<const SharedRegion>> List() const;

 private:
  const bool enabled_;
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const SharedRegion>, std::less<>> regions_;
};

}  // namespace tensorferry
