// The methods of GRPCInferenceService that register and list regions of callers' shared memory.
#include <fmt/format.h>

#include "base/status.h"
#include "cuda/gpu_region.h"
#include "rpc/call/request_check.h"
#include "rpc/oip/inference_service.h"
#include "rpc/serve/operation.h"

namespace tensorferry::rpc {
namespace {

absl::Status NoRegion(std::string_view kind, const std::string& name) {
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
  for (const auto& region : calls_.regions.List<SystemRegion>()) {
    if (!request.name().empty() && region->name() != request.name()) continue;
    auto& status = (*response.mutable_regions())[region->name()];
    status.set_name(region->name());
    status.set_key(region->key());
    status.set_offset(region->offset());
    status.set_byte_size(region->nbytes());
  }
  return request.name().empty() || response.regions_size() > 0 ? absl::OkStatus() : NoRegion("system", request.name());
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
  for (const auto& region : calls_.regions.List<cuda::GpuRegion>()) {
    if (!request.name().empty() && region->name() != request.name()) continue;
    auto& status = (*response.mutable_regions())[region->name()];
    status.set_name(region->name());
    status.set_device_id(static_cast<std::uint64_t>(region->device()));
    status.set_byte_size(region->nbytes());
  }
  return request.name().empty() || response.regions_size() > 0 ? absl::OkStatus() : NoRegion("cuda", request.name());
}

// The first region of a GPU takes long, so that others do not wait for it.
void InferenceService::CudaRegister(const triton::CudaSharedMemoryRegisterRequest& request,
                                    triton::CudaSharedMemoryRegisterResponse&, const Done& done) {
  RunOn(workers_, [this, &request, done] {
    absl::StatusOr<grpc::Status> end = grpc::Status::OK;
    const absl::Status thrown = Guarded([&] {
      end = EndOf(RegisterGpuMemory(request, gpus_, calls_.regions), request.name());
      return end.status();
    });
    if (thrown.ok()) {
      done(CallEnd{thrown, *end});
    } else {
      done(thrown);
    }
  });
}

absl::Status InferenceService::CudaUnregister(const triton::CudaSharedMemoryUnregisterRequest& request,
                                              triton::CudaSharedMemoryUnregisterResponse&) {
  calls_.regions.Unregister<cuda::GpuRegion>(request.name());
  return absl::OkStatus();
}

}  // namespace tensorferry::rpc
