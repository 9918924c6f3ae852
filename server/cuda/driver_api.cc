#include "cuda/driver_api.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <string>

#include "base/status.h"

namespace tensorferry::cuda {
namespace {

// Finder looks for functions in a library, and remembers the first that is not there.
class Finder {
 public:
  explicit Finder(void* library) : library_(library) {}

  template <typename Function>
  void Find(const char* name, Function*& function) {
    function = reinterpret_cast<Function*>(dlsym(library_, name));
    if (function == nullptr && missing_ == nullptr) missing_ = name;
  }

  const char* missing() const { return missing_; }

 private:
  void* const library_;
  const char* missing_ = nullptr;
};

std::string LastError() {
  const char* const text = dlerror();
  return text == nullptr ? "" : text;
}

}  // namespace

absl::StatusOr<DriverApi> LoadDriverApi(const char* library) {
  void* const opened = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (opened == nullptr) {
    return MakeError(
        Reason::kBadSharedMemory,
        fmt::format("there is no CUDA driver: {}, which comes with NVIDIA's driver, cannot be loaded", kDriverLibrary),
        {.log_text = LastError()});
  }
  DriverApi api{};
  Finder finder(opened);
  finder.Find("cuInit", api.init);
  finder.Find("cuGetErrorString", api.get_error_string);
  finder.Find("cuDeviceGetCount", api.device_get_count);
  finder.Find("cuDeviceGet", api.device_get);
  finder.Find("cuDevicePrimaryCtxRetain", api.primary_context_retain);
  finder.Find("cuDevicePrimaryCtxRelease_v2", api.primary_context_release);
  finder.Find("cuCtxPushCurrent_v2", api.context_push);
  finder.Find("cuCtxPopCurrent_v2", api.context_pop);
  finder.Find("cuIpcOpenMemHandle_v2", api.ipc_open);
  finder.Find("cuIpcCloseMemHandle", api.ipc_close);
  finder.Find("cuMemGetAddressRange_v2", api.get_address_range);
  finder.Find("cuMemcpyDtoH_v2", api.copy_to_host);
  finder.Find("cuMemcpyHtoD_v2", api.copy_to_device);
  finder.Find("cuStreamSynchronize", api.stream_synchronize);
  if (finder.missing() == nullptr) return api;
  return MakeError(Reason::kBadSharedMemory,
                   fmt::format("the CUDA driver is too old: {} has no {}, which CUDA 11 and newer have", kDriverLibrary,
                               finder.missing()));
}

}  // namespace tensorferry::cuda
