// The functions of NVIDIA's driver that server and tests call, as libcuda.so.1, where there is no GPU. Memory of a "GPU"
// is a POSIX shared memory object, whose name is its handle. What it shows is our half: how handles are opened and closed,
// what is copied, and what becomes of errors. It is as strict as the real one may be:
// - a device pointer is no address, so that whoever touches it crashes;
// - what is copied to a GPU is there once its stream was waited for;
// - what works on a context fails where none is the thread's current one.
//
// CUDA_VISIBLE_DEVICES is read as the real one reads it: "" leaves no GPU; unset: two. TENSORFERRY_STAND_IN_FAILS, such as
// "cuMemcpyDtoH_v2=700", has a function fail with an error.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "cuda/driver_api.h"

namespace {

using namespace tensorferry::cuda;  // NOLINT(google-build-using-namespace): this file is the driver.

constexpr Result kInvalidValue = 1;
constexpr Result kNoDevice = 100;
constexpr Result kInvalidDevice = 101;
constexpr Result kInvalidContext = 201;

constexpr DevicePointer kFirstPointer = DevicePointer{1} << 60;  // No address of x86-64 or arm64.

struct Memory {
  std::string object;
  std::size_t nbytes = 0;
  char* bytes = nullptr;
  int opened = 0;  // How often, by its handle.
  bool own = false;
};

struct Copy {
  char* destination;
  std::string bytes;
};

std::mutex mutex;
std::map<DevicePointer, Memory> memories;
std::vector<Copy> copies;     // Those that have not reached the GPU.
std::array<int, 2> contexts;  // How often each GPU's context is retained.
thread_local std::vector<Context> current;

int CountDevices() {
  const char* const visible = std::getenv("CUDA_VISIBLE_DEVICES");
  if (visible == nullptr) return static_cast<int>(contexts.size());
  const std::string_view list(visible);
  return list.empty() || list == "-1" ? 0 : static_cast<int>(std::ranges::count(list, ',')) + 1;
}

Result Failure(std::string_view function) {
  const char* const fails = std::getenv("TENSORFERRY_STAND_IN_FAILS");
  if (fails == nullptr || !std::string_view(fails).starts_with(std::string(function) + "=")) return kSuccess;
  return std::atoi(fails + function.size() + 1);
}

Result InContext(std::string_view function) {
  return current.empty() || current.back() == nullptr ? kInvalidContext : Failure(function);
}

DevicePointer Map(const std::string& object, bool own) {
  const int file = shm_open(object.c_str(), O_RDWR, 0);
  if (file < 0) return 0;
  struct stat status {};
  fstat(file, &status);
  const auto nbytes = static_cast<std::size_t>(status.st_size);
  void* const bytes = mmap(nullptr, nbytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (bytes == MAP_FAILED) return 0;
  const DevicePointer at =
      memories.empty() ? kFirstPointer : memories.rbegin()->first + memories.rbegin()->second.nbytes + 4096;
  memories[at] = {object, nbytes, static_cast<char*>(bytes), own ? 0 : 1, own};
  return at;
}

// Returns the bytes from `at` on; null if there are fewer.
char* Find(DevicePointer at, std::size_t nbytes) {
  auto found = memories.upper_bound(at);
  if (found == memories.begin()) return nullptr;
  --found;
  const std::size_t offset = at - found->first;
  if (offset > found->second.nbytes || nbytes > found->second.nbytes - offset) return nullptr;
  return found->second.bytes + offset;
}

void Arrive() {
  for (const Copy& copy : copies) std::memcpy(copy.destination, copy.bytes.data(), copy.bytes.size());
  copies.clear();
}

void Unmap(DevicePointer at) {
  Arrive();
  munmap(memories[at].bytes, memories[at].nbytes);
  memories.erase(at);
}

}  // namespace

extern "C" {

Result cuInit(unsigned) {
  if (const Result failure = Failure(__func__); failure != kSuccess) return failure;
  return CountDevices() == 0 ? kNoDevice : kSuccess;
}

Result cuGetErrorString(Result error, const char** text) {
  static const std::map<Result, const char*> texts = {{1, "invalid argument"},
                                                      {2, "out of memory"},
                                                      {100, "no CUDA-capable device is detected"},
                                                      {101, "invalid device ordinal"},
                                                      {201, "invalid device context"},
                                                      {700, "an illegal memory access was encountered"}};
  const auto found = texts.find(error);
  *text = found == texts.end() ? nullptr : found->second;
  return found == texts.end() ? kInvalidValue : kSuccess;
}

Result cuDeviceGetCount(int* count) {
  *count = CountDevices();
  return Failure(__func__);
}

Result cuDeviceGet(Device* device, int ordinal) {
  *device = ordinal;
  return ordinal < 0 || ordinal >= CountDevices() ? kInvalidDevice : kSuccess;
}

Result cuDevicePrimaryCtxRetain(Context* context, Device device) {
  if (const Result failure = Failure(__func__); failure != kSuccess) return failure;
  const std::lock_guard lock(mutex);
  int& retained = contexts.at(static_cast<std::size_t>(device));
  ++retained;
  *context = reinterpret_cast<Context>(&retained);
  return kSuccess;
}

Result cuDevicePrimaryCtxRelease_v2(Device device) {
  const std::lock_guard lock(mutex);
  --contexts.at(static_cast<std::size_t>(device));
  return kSuccess;
}

Result cuCtxPushCurrent_v2(Context context) {
  if (const Result failure = Failure(__func__); failure != kSuccess) return failure;
  current.push_back(context);
  return kSuccess;
}

Result cuCtxPopCurrent_v2(Context* context) {
  if (current.empty()) return kInvalidContext;
  *context = current.back();
  current.pop_back();
  return kSuccess;
}

Result cuMemAlloc_v2(DevicePointer* memory, std::size_t nbytes) {
  if (const Result failure = InContext(__func__); failure != kSuccess) return failure;
  static int count = 0;
  const std::lock_guard lock(mutex);
  const std::string object = "/tensorferry-gpu-" + std::to_string(getpid()) + "-" + std::to_string(++count);
  const int file = shm_open(object.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
  if (file < 0) return kInvalidValue;
  const bool is_sized = ftruncate(file, static_cast<off_t>(nbytes)) == 0;
  close(file);
  if (!is_sized) {
    shm_unlink(object.c_str());
    return kInvalidValue;
  }
  *memory = Map(object, /*own=*/true);
  return *memory == 0 ? kInvalidValue : kSuccess;
}

Result cuMemFree_v2(DevicePointer memory) {
  if (const Result failure = InContext(__func__); failure != kSuccess) return failure;
  const std::lock_guard lock(mutex);
  const auto found = memories.find(memory);
  if (found == memories.end() || !found->second.own) return kInvalidValue;
  shm_unlink(found->second.object.c_str());
  Unmap(memory);
  return kSuccess;
}

Result cuIpcGetMemHandle(IpcHandle* handle, DevicePointer memory) {
  if (const Result failure = InContext(__func__); failure != kSuccess) return failure;
  const std::lock_guard lock(mutex);
  const auto found = memories.find(memory);
  if (found == memories.end() || found->second.object.size() >= sizeof *handle) return kInvalidValue;
  *handle = {};
  found->second.object.copy(handle->bytes, sizeof *handle);
  return kSuccess;
}

Result cuIpcOpenMemHandle_v2(DevicePointer* memory, IpcHandle handle, unsigned flags) {
  if (const Result failure = InContext(__func__); failure != kSuccess) return failure;
  const std::string object(handle.bytes, strnlen(handle.bytes, sizeof handle));
  if (flags != kLazyEnablePeerAccess || !object.starts_with("/tensorferry-")) return kInvalidValue;
  const std::lock_guard lock(mutex);
  for (auto& [at, known] : memories) {
    if (known.object != object || known.own) continue;
    ++known.opened;
    *memory = at;
    return kSuccess;
  }
  *memory = Map(object, /*own=*/false);
  return *memory == 0 ? kInvalidValue : kSuccess;
}

Result cuIpcCloseMemHandle(DevicePointer memory) {
  if (const Result failure = InContext(__func__); failure != kSuccess) return failure;
  const std::lock_guard lock(mutex);
  const auto found = memories.find(memory);
  if (found == memories.end() || found->second.opened == 0) return kInvalidValue;
  if (--found->second.opened == 0) Unmap(memory);
  return kSuccess;
}

Result cuMemGetAddressRange_v2(DevicePointer* base, std::size_t* nbytes, DevicePointer memory) {
  if (const Result failure = InContext(__func__); failure != kSuccess) return failure;
  const std::lock_guard lock(mutex);
  const auto found = memories.find(memory);
  if (found == memories.end()) return kInvalidValue;
  *base = memory;
  *nbytes = found->second.nbytes;
  return kSuccess;
}

Result cuMemcpyDtoH_v2(void* destination, DevicePointer source, std::size_t nbytes) {
  if (const Result failure = InContext(__func__); failure != kSuccess) return failure;
  const std::lock_guard lock(mutex);
  Arrive();
  const char* const bytes = Find(source, nbytes);
  if (bytes == nullptr) return kInvalidValue;
  std::memcpy(destination, bytes, nbytes);
  return kSuccess;
}

Result cuMemcpyHtoD_v2(DevicePointer destination, const void* source, std::size_t nbytes) {
  if (const Result failure = InContext(__func__); failure != kSuccess) return failure;
  const std::lock_guard lock(mutex);
  char* const bytes = Find(destination, nbytes);
  if (bytes == nullptr) return kInvalidValue;
  copies.push_back({bytes, {static_cast<const char*>(source), nbytes}});
  return kSuccess;
}

Result cuStreamSynchronize(Stream) {
  if (const Result failure = InContext(__func__); failure != kSuccess) return failure;
  const std::lock_guard lock(mutex);
  Arrive();
  return kSuccess;
}

}  // extern "C"
