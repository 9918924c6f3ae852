// The methods of GRPCInferenceService that register and list regions of callers' shared memory.
#include <fmt/format.h>

#include "base/status.h"
#include "rpc/call/request_check.h"
#include "rpc/oip/inference_service.h"

namespace tensorferry::rpc {

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
  for (const auto& region : calls_.regions.List()) {
    if (!request.name().empty() && region->name() != request.name()) continue;
    auto& status = (*response.mutable_regions())[region->name()];
    status.set_name(region->name());
    status.set_key(region->key());
    status.set_offset(region->offset());
    status.set_byte_size(region->nbytes());
  }
  if (request.name().empty() || response.regions_size() > 0) return absl::OkStatus();
  return MakeError(Reason::kRegionNotFound,
                   fmt::format("Unable to find system shared memory region: {}", Quote(request.name())),
                   {.field = "name", .actual = Quote(request.name())});
}

absl::StatusOr<grpc::Status> InferenceService::SystemRegister(const triton::SystemSharedMemoryRegisterRequest& request,
                                                              triton::SystemSharedMemoryRegisterResponse&) {
  TENSORFERRY_RETURN_IF_ERROR(CheckName("name", request.name()));
  TENSORFERRY_ASSIGN_OR_RETURN(
      const bool is_new, calls_.regions.Register(request.name(), request.key(), request.offset(), request.byte_size()));
  if (is_new) return grpc::Status::OK;
  return grpc::Status(grpc::StatusCode::ALREADY_EXISTS,
                      fmt::format("shared memory region {} already in manager", Quote(request.name())));
}

absl::Status InferenceService::SystemUnregister(const triton::SystemSharedMemoryUnregisterRequest& request,
                                                triton::SystemSharedMemoryUnregisterResponse&) {
  calls_.regions.Unregister(request.name());
  return absl::OkStatus();
}

absl::Status InferenceService::CudaStatus(const triton::CudaSharedMemoryStatusRequest& request,
                                          triton::CudaSharedMemoryStatusResponse&) {
  if (request.name().empty()) return absl::OkStatus();
  return MakeError(Reason::kRegionNotFound,
                   fmt::format("Unable to find cuda shared memory region: {}", Quote(request.name())),
                   {.field = "name", .actual = Quote(request.name())});
}

absl::Status InferenceService::CudaRegister(const triton::CudaSharedMemoryRegisterRequest&,
                                            triton::CudaSharedMemoryRegisterResponse&) {
  return MakeError(
      Reason::kBadSharedMemory,
      "failed to register CUDA shared memory region: this server takes no tensors from the memory of a GPU");
}

absl::Status InferenceService::CudaUnregister(const triton::CudaSharedMemoryUnregisterRequest&,
                                              triton::CudaSharedMemoryUnregisterResponse&) {
  return absl::OkStatus();
}

}  // namespace tensorferry::rpc
