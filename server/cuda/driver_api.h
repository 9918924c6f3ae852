// The part of NVIDIA's driver API that the server calls, as cuda.h of CUDA 11 and newer declares it. It is found at run
// time, so that nothing of CUDA is needed to build.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"

namespace tensorferry::cuda {

using Result = int;                        // CUresult.
using Device = int;                        // CUdevice.
using Context = struct ContextOfDriver*;   // CUcontext.
using Stream = struct StreamOfDriver*;     // CUstream; null: the default stream of the current context.
using DevicePointer = unsigned long long;  // CUdeviceptr, NOLINT(google-runtime-int): as cuda.h has it.

inline constexpr Result kSuccess = 0;
inline constexpr unsigned kLazyEnablePeerAccess = 1;  // The only flag of cuIpcOpenMemHandle, which it requires.

// IpcHandle is CUipcMemHandle: what one process tells another of an allocation.
struct IpcHandle {
  char bytes[64];  // NOLINT(modernize-avoid-c-arrays): its layout is the driver's.
};

// DriverApi holds the functions, by their names without "cu". All may be called on any thread. Those that copy, open and
// close work on the device of the calling thread's current context.
struct DriverApi {
  Result (*init)(unsigned flags);
  Result (*get_error_string)(Result error, const char** text);
  Result (*device_get_count)(int* count);
  Result (*device_get)(Device* device, int ordinal);
  Result (*primary_context_retain)(Context* context, Device device);
  Result (*primary_context_release)(Device device);
  Result (*context_push)(Context context);
  Result (*context_pop)(Context* context);
  Result (*ipc_open)(DevicePointer* memory, IpcHandle handle, unsigned flags);
  Result (*ipc_close)(DevicePointer memory);
  Result (*get_address_range)(DevicePointer* base, std::size_t* nbytes, DevicePointer memory);
  Result (*copy_to_host)(void* destination, DevicePointer source, std::size_t nbytes);
  Result (*copy_to_device)(DevicePointer destination, const void* source, std::size_t nbytes);
  Result (*stream_synchronize)(Stream stream);
};

inline constexpr const char* kDriverLibrary = "libcuda.so.1";

// Loads the library, which stays loaded, and finds the functions.
// Errors: BAD_SHARED_MEMORY if there is no such library, or if it lacks a function.
absl::StatusOr<DriverApi> LoadDriverApi(const char* library);

}  // namespace tensorferry::cuda
