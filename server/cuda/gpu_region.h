#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/shared_memory.h"
#include "cuda/driver.h"

namespace tensorferry::cuda {

// GpuRegion is a region of a GPU's memory that another process has allocated. Its bytes are copied between there and the
// processor's memory. It stays open while a shared_ptr to it exists.
// Threads: any.
class GpuRegion : public SharedRegion {
 public:
  // Exported is what a caller says of memory: its first `nbytes` bytes, on this GPU, are the region.
  struct Exported {
    std::string name;         // Of the region.
    std::string_view handle;  // What cuIpcGetMemHandle gave the caller.
    std::int64_t device = 0;  // The number of the GPU.
    std::uint64_t nbytes = 0;
  };

  // Opens the memory. May take a second. Borrows `driver`, which outlives the region.
  // Errors: BAD_SHARED_MEMORY if there is no such memory, or if it does not have these bytes.
  static absl::StatusOr<std::shared_ptr<const GpuRegion>> Open(const Driver& driver, const Exported& exported);
  ~GpuRegion() override;

  std::int64_t device() const { return device_; }

  // Memory of a GPU does not become smaller.
  absl::Status CheckWhole() const override { return absl::OkStatus(); }
  // The bytes have been copied when these functions return.
  absl::Status Read(std::uint64_t offset, std::span<std::byte> destination) const override;
  absl::Status Write(std::uint64_t offset, std::span<const std::byte> content) const override;

 private:
  GpuRegion(const Driver& driver, const Exported& exported, Context context)
      : SharedRegion(exported.name, exported.nbytes), driver_(driver), device_(exported.device), context_(context) {}
  absl::Status OpenHandle(std::string_view bytes);
  absl::Status CheckSize() const;

  const Driver& driver_;
  const std::int64_t device_;
  const Context context_;
  DevicePointer memory_ = 0;  // The region's first byte. 0: the memory is not open.
};

}  // namespace tensorferry::cuda
