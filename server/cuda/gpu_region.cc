#include "cuda/gpu_region.h"

#include <fmt/format.h>

#include <cstring>

#include "base/status.h"

namespace tensorferry::cuda {
namespace {

std::string Named(std::string_view name, std::string_view what) {
  return fmt::format("CUDA shared memory region {} {}", Quote(name), what);
}

absl::Status Bad(std::string_view name, std::string_view why, const ErrorDetails& details) {
  return MakeError(Reason::kBadSharedMemory, Named(name, why), details);
}

absl::Status CheckExported(const GpuRegion::Exported& exported) {
  if (exported.name.empty()) return Bad(exported.name, "needs a name", {.field = "name"});
  if (exported.handle.size() != sizeof(IpcHandle)) {
    return Bad(exported.name,
               fmt::format("has a raw_handle of {} bytes; one of cuIpcGetMemHandle has {}", exported.handle.size(),
                           sizeof(IpcHandle)),
               {.field = "raw_handle",
                .expected = fmt::to_string(sizeof(IpcHandle)),
                .actual = fmt::to_string(exported.handle.size())});
  }
  if (exported.nbytes == 0) return Bad(exported.name, "has no bytes", {.field = "byte_size"});
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const GpuRegion>> GpuRegion::Open(const Driver& driver, const Exported& exported) {
  TENSORFERRY_RETURN_IF_ERROR(CheckExported(exported));
  TENSORFERRY_ASSIGN_OR_RETURN(const Context context, driver.ContextOf(exported.device));
  std::shared_ptr<GpuRegion> region(new GpuRegion(driver, exported, context));
  const CurrentContext current(driver, context);
  TENSORFERRY_RETURN_IF_ERROR(driver.Check(current.result(), Named(exported.name, "cannot be registered")));
  TENSORFERRY_RETURN_IF_ERROR(region->OpenHandle(exported.handle));
  TENSORFERRY_RETURN_IF_ERROR(region->CheckSize());
  return region;
}

absl::Status GpuRegion::OpenHandle(std::string_view bytes) {
  IpcHandle handle;
  std::memcpy(&handle, bytes.data(), sizeof handle);
  DevicePointer opened = 0;
  TENSORFERRY_RETURN_IF_ERROR(driver_.Check(driver_.api().ipc_open(&opened, handle, kLazyEnablePeerAccess),
                                            Named(name(), "cannot be registered: its raw_handle cannot be opened")));
  memory_ = opened;
  return absl::OkStatus();
}

// An allocation may be larger than its owner has asked for, and the handle is that of the whole.
absl::Status GpuRegion::CheckSize() const {
  DevicePointer base = 0;
  std::size_t size = 0;
  TENSORFERRY_RETURN_IF_ERROR(driver_.Check(driver_.api().get_address_range(&base, &size, memory_),
                                            Named(name(), "cannot be registered: its size is not known")));
  const std::uint64_t there = size - (memory_ - base);
  if (nbytes() <= there) return absl::OkStatus();
  return Bad(name(), fmt::format("is {} bytes, but the memory has {}", nbytes(), there),
             {.field = "byte_size", .actual = fmt::to_string(nbytes()), .limit = fmt::to_string(there)});
}

GpuRegion::~GpuRegion() {
  if (memory_ == 0) return;
  const CurrentContext current(driver_, context_);
  if (current.result() == kSuccess) driver_.api().ipc_close(memory_);
}

absl::Status GpuRegion::Read(std::uint64_t offset, std::span<std::byte> destination) const {
  if (destination.empty()) return absl::OkStatus();
  const std::string what = Named(name(), "cannot be read");
  const CurrentContext current(driver_, context_);
  TENSORFERRY_RETURN_IF_ERROR(driver_.Check(current.result(), what));
  return driver_.Check(driver_.api().copy_to_host(destination.data(), memory_ + offset, destination.size()), what);
}

// The copy of memory that is not pinned returns once the driver has the bytes, and not only once the GPU has them:
// https://docs.nvidia.com/cuda/cuda-driver-api/api-sync-behavior.html
absl::Status GpuRegion::Write(std::uint64_t offset, std::span<const std::byte> content) const {
  if (content.empty()) return absl::OkStatus();
  const std::string what = Named(name(), "cannot be written");
  const CurrentContext current(driver_, context_);
  TENSORFERRY_RETURN_IF_ERROR(driver_.Check(current.result(), what));
  TENSORFERRY_RETURN_IF_ERROR(
      driver_.Check(driver_.api().copy_to_device(memory_ + offset, content.data(), content.size()), what));
  return driver_.Check(driver_.api().stream_synchronize(nullptr), what);
}

}  // namespace tensorferry::cuda
