// The methods of GRPCInferenceService that register and list regions of callers' shared memory.
#include <fmt/format.h>

#include "base/status.h"
#include "cuda/gpu_region.h"
#include "rpc/call/request_check.h"
#include "rpc/oip/inference_service.h"
#include "rpc/serve/operation.h"

namespace tensorferry::rpc {
namespace {

// Has `describe` add the region of this kind that `name` names, or all of them if it is empty.
// Errors: REGION_NOT_FOUND. `kind` says in it where the region was looked for.
template <typename Region, typename Describe>
absl::Status DescribeRegions(const SharedRegions& regions, std::string_view kind, const std::string& name,
                             Describe describe) {
  bool found = name.empty();
  for (const auto& region : regions.List<Region>()) {
    if (!name.empty() && region->name() != name) continue;
    describe(*region);
    found = true;
  }
  if (found) return absl::OkStatus();
  return MakeError(Reason::kRegionNotFound,
                   fmt::format("Unable to find {} shared memory region: {}", kind, Quote(name)),
                   {.field = "name", .actual = Quote(name)});
}

// Returns how the registration of a region ends: that its name is taken is no failure.
absl::StatusOr<grpc::Status> EndOf(const absl::StatusOr<bool>& is_new, const std::string& name) {
  if (!is_new.ok()) return is_new.status();
  if (*is_new) return grpc::Status::OK;
  return grpc::Status(grpc::StatusCode::ALREADY_EXISTS,
                      fmt::format("shared memory region {} already in manager", Quote(name)));
}

absl::StatusOr<bool> RegisterGpuMemory(const triton::CudaSharedMemoryRegisterRequest& request,
                                       const cuda::MaybeDriver& gpus, SharedRegions& regions) {
  TENSORFERRY_RETURN_IF_ERROR(CheckName("name", request.name()));
  if (!gpus.ok()) {
    const Failure failure = DescribeError(gpus.status());
    return WithMessage(fmt::format("failed to register CUDA shared memory region: {}", failure.message), gpus.status());
  }
  TENSORFERRY_ASSIGN_OR_RETURN(auto region, cuda::GpuRegion::Open(**gpus, {.name = request.name(),
                                                                           .handle = request.raw_handle(),
                                                                           .device = request.device_id(),
                                                                           .nbytes = request.byte_size()}));
  return regions.Add(std::move(region));
}

// Runs `work` on a thread of `workers`.
template <typename Work>
Detached RunOn(WorkerPool& workers, Work work) {
  co_await workers.Enter();
  work();
}

}  // namespace

void InferenceService::ServeSharedMemoryMethods(grpc::ServerCompletionQueue* queue) {
  ServeMethod<&Service::RequestSystemSharedMemoryStatus, &InferenceService::SystemStatus>(queue);
  ServeMethod<&Service::RequestSystemSharedMemoryRegister, &InferenceService::SystemRegister>(queue);
  ServeMethod<&Service::RequestSystemSharedMemoryUnregister, &InferenceService::SystemUnregister>(queue);
  ServeMethod<&Service::RequestCudaSharedMemoryStatus, &InferenceService::CudaStatus>(queue);
  ServeMethod<&Service::RequestCudaSharedMemoryRegister, &InferenceService::CudaRegister>(queue);
  ServeMethod<&Service::RequestCudaSharedMemoryUnregister, &InferenceService::CudaUnregister>(queue);
}

absl::Status InferenceService::SystemStatus(const triton::SystemSharedMemoryStatusRequest& request,
                                            triton::SystemSharedMemoryStatusResponse& response) {
  return DescribeRegions<SystemRegion>(calls_.regions, "system", request.name(), [&](const SystemRegion& region) {
    auto& status = (*response.mutable_regions())[region.name()];
    status.set_name(region.name());
    status.set_key(region.key());
    status.set_offset(region.offset());
    status.set_byte_size(region.nbytes());
  });
}

absl::StatusOr<grpc::Status> InferenceService::SystemRegister(const triton::SystemSharedMemoryRegisterRequest& request,
                                                              triton::SystemSharedMemoryRegisterResponse&) {
  TENSORFERRY_RETURN_IF_ERROR(CheckName("name", request.name()));
  return EndOf(calls_.regions.Register(request.name(), request.key(), request.offset(), request.byte_size()),
               request.name());
}

absl::Status InferenceService::SystemUnregister(const triton::SystemSharedMemoryUnregisterRequest& request,
                                                triton::SystemSharedMemoryUnregisterResponse&) {
  calls_.regions.Unregister<SystemRegion>(request.name());
  return absl::OkStatus();
}

absl::Status InferenceService::CudaStatus(const triton::CudaSharedMemoryStatusRequest& request,
                                          triton::CudaSharedMemoryStatusResponse& response) {
  return DescribeRegions<cuda::GpuRegion>(calls_.regions, "cuda", request.name(), [&](const cuda::GpuRegion& region) {
    auto& status = (*response.mutable_regions())[region.name()];
    status.set_name(region.name());
    status.set_device_id(static_cast<std::uint64_t>(region.device()));
    status.set_byte_size(region.nbytes());
  });
}

// Opens the memory on a worker, as the first region of a GPU takes up to a second, and other calls are served meanwhile.
void InferenceService::CudaRegister(const triton::CudaSharedMemoryRegisterRequest& request,
                                    triton::CudaSharedMemoryRegisterResponse&, const Done& done) {
  RunOn(workers_, [this, &request, done] {
    const absl::StatusOr<grpc::Status> end =
        Guarded([&] { return EndOf(RegisterGpuMemory(request, gpus_, calls_.regions), request.name()); });
    if (end.ok()) {
      done(CallEnd{absl::OkStatus(), *end});
    } else {
      done(end.status());
    }
  });
}

absl::Status InferenceService::CudaUnregister(const triton::CudaSharedMemoryUnregisterRequest& request,
                                              triton::CudaSharedMemoryUnregisterResponse&) {
  calls_.regions.Unregister<cuda::GpuRegion>(request.name());
  return absl::OkStatus();
}

}  // namespace tensorferry::rpc
