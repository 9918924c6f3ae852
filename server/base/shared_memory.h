// Shared memory of callers on the same machine: they register regions of it under names.
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

// SharedRegion is a registered region of a caller's memory. The caller may change its bytes at any time. The server can
// reach them while a shared_ptr to the region exists, also after it was unregistered.
// Threads: any.
class SharedRegion {
 public:
  SharedRegion(const SharedRegion&) = delete;
  SharedRegion& operator=(const SharedRegion&) = delete;
  virtual ~SharedRegion() = default;

  const std::string& name() const { return name_; }
  std::uint64_t nbytes() const { return nbytes_; }

  // Returns the bytes where they lie; none if the processor does not reach them, as in memory of a GPU.
  std::span<std::byte> bytes() const { return {data_, data_ == nullptr ? 0 : nbytes_}; }
  bool has_bytes() const { return data_ != nullptr; }

  // Checks that no byte of the region is gone. Call it before the bytes are used where they lie, and again afterwards.
  // Errors: BAD_SHARED_MEMORY.
  virtual absl::Status CheckWhole() const = 0;

  // These functions copy bytes, which lie within the region from `offset` on, out of it and into it.
  // Errors: BAD_SHARED_MEMORY if bytes are gone, or cannot be copied.
  virtual absl::Status Read(std::uint64_t offset, std::span<std::byte> destination) const = 0;
  virtual absl::Status Write(std::uint64_t offset, std::span<const std::byte> content) const = 0;

 protected:
  SharedRegion(std::string name, std::uint64_t nbytes) : name_(std::move(name)), nbytes_(nbytes) {}

  std::byte* data_ = nullptr;  // Null: the processor does not reach the bytes.

 private:
  const std::string name_;
  const std::uint64_t nbytes_;
};

// SystemRegion is a region of a POSIX shared memory object, which stays mapped. The caller who made the object may
// truncate it: the bytes that are gone then read as zeros, and CheckWhole fails from then on.
// Lifetime: its bytes are touched only while the process has a BusErrorHandler.
class SystemRegion : public SharedRegion {
 public:
  // Maps `nbytes` bytes from `offset` on. `file` is the descriptor of the object; the region takes it over.
  // Errors: MEMORY_BUDGET if the system maps no more memory.
  static absl::StatusOr<std::shared_ptr<const SystemRegion>> Map(const std::string& name, const std::string& key,
                                                                 std::uint64_t offset, std::uint64_t nbytes, int file);
  ~SystemRegion() override;

  const std::string& key() const { return key_; }
  std::uint64_t offset() const { return offset_; }  // The bytes of the object before the region.

  // Errors: BAD_SHARED_MEMORY if the object is smaller than the region, or was so when the bytes were used.
  absl::Status CheckWhole() const override;
  absl::Status Read(std::uint64_t offset, std::span<std::byte> destination) const override;
  absl::Status Write(std::uint64_t offset, std::span<const std::byte> content) const override;

 private:
  SystemRegion(std::string name, std::string key, std::uint64_t offset, std::uint64_t nbytes, int file)
      : SharedRegion(std::move(name), nbytes), key_(std::move(key)), offset_(offset), file_(file) {}

  const std::string key_;
  const std::uint64_t offset_;
  const int file_;
  std::span<std::byte> pages_;  // The mapped pages: from the page in which the region begins to the region's end.
  std::optional<WatchedMapping> watch_;  // Nothing: the pages are not mapped.
};

// SharedRange is a range of bytes of a region.
struct SharedRange {
  std::shared_ptr<const SharedRegion> region;
  std::uint64_t offset = 0;  // The bytes of the region before the range.
  std::uint64_t nbytes = 0;

  // Returns the bytes where they lie. Only for a region that has_bytes().
  std::span<std::byte> bytes() const { return region->bytes().subspan(offset, nbytes); }

  // Copies all bytes of the range to `destination`.
  // Errors: those of SharedRegion::Read.
  absl::Status Read(std::span<std::byte> destination) const { return region->Read(offset, destination); }

  // Copies `content`, at most `nbytes` bytes, to the beginning of the range.
  // Errors: those of SharedRegion::Write.
  absl::Status Write(std::span<const std::byte> content) const { return region->Write(offset, content); }
};

// RegionKinds says of which kinds of memory callers may register regions.
struct RegionKinds {
  bool system = false;  // POSIX shared memory.
  bool cuda = false;    // Memory of GPUs.

  bool any() const { return system || cuda; }
};

// SharedRegions holds the registered regions of all kinds by name.
// Threads: any.
class SharedRegions {
 public:
  // If no kind is allowed, every call but Unregister and List is refused with SHARED_MEMORY_DISABLED; `why_disabled`
  // then ends the message.
  explicit SharedRegions(const RegionKinds& kinds, std::string_view why_disabled = "");

  const RegionKinds& kinds() const { return kinds_; }

  // Errors: SHARED_MEMORY_DISABLED if no regions are allowed.
  absl::Status CheckEnabled() const;

  // Registers a region of the object `key`, which is a name as shm_open takes it: "/name". Returns false if `name` is
  // taken.
  // Errors: BAD_SHARED_MEMORY if the object does not exist, if it does not hold these bytes, or if as many regions are
  //         registered as are allowed; SHARED_MEMORY_DISABLED.
  absl::StatusOr<bool> Register(const std::string& name, const std::string& key, std::uint64_t offset,
                                std::uint64_t nbytes);

  // Registers a region of any kind, under its name. Returns false if the name is taken.
  // Errors: BAD_SHARED_MEMORY if as many regions are registered as are allowed.
  absl::StatusOr<bool> Add(std::shared_ptr<const SharedRegion> region);

  // Unregisters a region of this kind, or all of them if `name` is empty. Requests that use a region go on. An unknown
  // name is no error.
  template <typename Region>
  void Unregister(const std::string& name) {
    Remove(name, [](const SharedRegion& region) { return dynamic_cast<const Region*>(&region) != nullptr; });
  }

  // Returns the range of `nbytes` bytes from `offset` of the region on.
  // Errors: REGION_NOT_FOUND; BAD_SHARED_MEMORY if the region does not hold these bytes.
  absl::StatusOr<SharedRange> Find(std::string_view name, std::uint64_t offset, std::uint64_t nbytes) const;

  // Returns all regions of this kind, sorted by name.
  template <typename Region>
  std::vector<std::shared_ptr<const Region>> List() const {
    std::vector<std::shared_ptr<const Region>> regions;
    const std::lock_guard lock(mutex_);
    for (const auto& [name, region] : regions_) {
      if (auto of_kind = std::dynamic_pointer_cast<const Region>(region)) regions.push_back(std::move(of_kind));
    }
    return regions;
  }

 private:
  void Remove(const std::string& name, bool (*is_meant)(const SharedRegion&));

  const RegionKinds kinds_;
  const std::string why_disabled_;
  const std::size_t max_regions_;  // Limited, because each of POSIX shared memory keeps a file open.
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const SharedRegion>, std::less<>> regions_;
};

}  // namespace tensorferry
