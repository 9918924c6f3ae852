#include "cuda/driver.h"

#include <fmt/format.h>

#include <string>

#include "base/status.h"

namespace tensorferry::cuda {

absl::StatusOr<std::unique_ptr<const Driver>> Driver::Load(const char* library) {
  TENSORFERRY_ASSIGN_OR_RETURN(const DriverApi api, LoadDriverApi(library));
  std::unique_ptr<const Driver> driver(new Driver(api));
  TENSORFERRY_RETURN_IF_ERROR(driver->Check(api.init(0), "the CUDA driver cannot be used"));
  return driver;
}

Driver::~Driver() {
  for (const auto& [number, context] : contexts_) {
    Device device = 0;
    if (api_.device_get(&device, static_cast<int>(number)) == kSuccess) api_.primary_context_release(device);
  }
}

absl::StatusOr<Context> Driver::ContextOf(std::int64_t device) const {
  int count = 0;
  TENSORFERRY_RETURN_IF_ERROR(Check(api_.device_get_count(&count), "the GPUs cannot be counted"));
  if (device < 0 || device >= count) {
    return MakeError(Reason::kBadSharedMemory,
                     fmt::format("device_id {} names no GPU of this server, which sees {}", device, count),
                     {.field = "device_id", .actual = fmt::to_string(device), .limit = fmt::to_string(count)});
  }
  const std::lock_guard lock(mutex_);
  if (const auto found = contexts_.find(device); found != contexts_.end()) return found->second;
  const std::string what = fmt::format("GPU {} cannot be used", device);
  Device handle = 0;
  TENSORFERRY_RETURN_IF_ERROR(Check(api_.device_get(&handle, static_cast<int>(device)), what));
  Context context = nullptr;
  TENSORFERRY_RETURN_IF_ERROR(Check(api_.primary_context_retain(&context, handle), what));
  contexts_.emplace(device, context);
  return context;
}

absl::Status Driver::Check(Result result, std::string_view what) const {
  if (result == kSuccess) [[likely]] {
    return absl::OkStatus();
  }
  const char* text = nullptr;
  if (api_.get_error_string(result, &text) != kSuccess || text == nullptr) text = "unknown to the driver itself";
  return MakeError(Reason::kBadSharedMemory, fmt::format("{}: {} (CUDA error {})", what, text, result));
}

}  // namespace tensorferry::cuda
