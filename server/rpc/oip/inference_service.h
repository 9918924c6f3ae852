#pragma once

#include <atomic>
#include <utility>

#include "cuda/driver.h"
#include "inference/grpc_service.grpc.pb.h"
#include "inference/repository_control.h"
#include "inference/repository_settings.h"
#include "rpc/call/intake.h"
#include "rpc/oip/infer_protocol.h"
#include "rpc/oip/tracer.h"
#include "rpc/serve/served_methods.h"
#include "rpc/serve/serving_queue.h"
#include "rpc/serve/worker_pool.h"
#include "rpc/triton_config/triton_namespace.h"

namespace tensorferry::rpc {

// RepositoryAccess is the model repository, and what callers may override there. It borrows `control`.
struct RepositoryAccess {
  inference::RepositoryControl& control;
  inference::OverridePolicy overrides;
};

// InferenceService is inference.GRPCInferenceService: the Open Inference Protocol, with Triton's extensions. It serves
// the same models as TensorService, and makes tensors in the same way. docs/compatibility.md lists where it behaves
// differently from Triton.
//
// All methods get the bytes of their messages as they came. Generated code parses the messages of all but ModelInfer and
// ModelStreamInfer; each of these has one handler, in the file of its concern.
class InferenceService {
 public:
  static constexpr const char* kName = triton::GRPCInferenceService::service_full_name();

  // Borrows its arguments. `gpus` opens the memory of GPUs, or says why none is taken.
  InferenceService(const CallEnvironment& environment, const RepositoryAccess& repository,
                   const ServiceEnvironment& services, const cuda::MaybeDriver& gpus);

  grpc::Service& service() { return service_; }

  // Serves calls on `queue`, after the server was started.
  void Serve(ServingQueue& queue);

  // Sets the answer of ServerReady.
  void SetReady(bool ready) { ready_ = ready; }

 private:
  using Generated = triton::GRPCInferenceService;
  template <typename Base>
  using WithServerMethods =
      Generated::WithRawMethod_ServerLive<Generated::WithRawMethod_ServerReady<Generated::WithRawMethod_ServerMetadata<
          Generated::WithRawMethod_TraceSetting<Generated::WithRawMethod_LogSettings<Base>>>>>;
  template <typename Base>
  using WithModelMethods = Generated::WithRawMethod_ModelReady<Generated::WithRawMethod_ModelMetadata<
      Generated::WithRawMethod_ModelConfig<Generated::WithRawMethod_ModelStatistics<Base>>>>;
  template <typename Base>
  using WithRepositoryMethods = Generated::WithRawMethod_RepositoryIndex<
      Generated::WithRawMethod_RepositoryModelLoad<Generated::WithRawMethod_RepositoryModelUnload<Base>>>;
  template <typename Base>
  using WithSystemMemoryMethods = Generated::WithRawMethod_SystemSharedMemoryStatus<
      Generated::WithRawMethod_SystemSharedMemoryRegister<Generated::WithRawMethod_SystemSharedMemoryUnregister<Base>>>;
  template <typename Base>
  using WithCudaMemoryMethods = Generated::WithRawMethod_CudaSharedMemoryStatus<
      Generated::WithRawMethod_CudaSharedMemoryRegister<Generated::WithRawMethod_CudaSharedMemoryUnregister<Base>>>;
  using Service =
      WithServerMethods<WithModelMethods<WithRepositoryMethods<WithSystemMemoryMethods<WithCudaMemoryMethods<
          Generated::WithRawMethod_ModelInfer<Generated::WithRawMethod_ModelStreamInfer<Generated::Service>>>>>>>;

  // Serves a method with the member function that handles it. ServedMethods::Serve says which handlers there are.
  template <auto kRequestMethod, auto kHandler>
  void ServeMethod(grpc::ServerCompletionQueue* queue, MessageCheck check = CheckSmallMessage) {
    methods_.Serve<kRequestMethod, kHandler>(service_, queue, *this, check);
  }

  void ServeInference(ServingQueue& queue);

  // Defined in server_methods.cc.
  void ServeServerMethods(grpc::ServerCompletionQueue* queue);
  absl::Status ServerLive(const triton::ServerLiveRequest&, triton::ServerLiveResponse& response);
  absl::Status ServerReady(const triton::ServerReadyRequest&, triton::ServerReadyResponse& response);
  absl::Status ServerMetadata(const triton::ServerMetadataRequest&, triton::ServerMetadataResponse& response);
  absl::Status TraceSetting(const triton::TraceSettingRequest& request, triton::TraceSettingResponse& response);
  absl::Status LogSettings(const triton::LogSettingsRequest& request, triton::LogSettingsResponse& response);

  // Defined in model_methods.cc.
  void ServeModelMethods(grpc::ServerCompletionQueue* queue);
  absl::Status ModelReady(const triton::ModelReadyRequest& request, triton::ModelReadyResponse& response);
  absl::Status ModelMetadata(const triton::ModelMetadataRequest& request, triton::ModelMetadataResponse& response);
  absl::Status ModelConfig(const triton::ModelConfigRequest& request, triton::ModelConfigResponse& response);
  absl::Status ModelStatistics(const triton::ModelStatisticsRequest& request,
                               triton::ModelStatisticsResponse& response);

  // Defined in repository_methods.cc.
  void ServeRepositoryMethods(grpc::ServerCompletionQueue* queue);
  void RepositoryIndex(const triton::RepositoryIndexRequest& request, triton::RepositoryIndexResponse& response,
                       const Done& done);
  void RepositoryModelLoad(const triton::RepositoryModelLoadRequest& request, triton::RepositoryModelLoadResponse&,
                           const Done& done);
  void RepositoryModelUnload(const triton::RepositoryModelUnloadRequest& request,
                             triton::RepositoryModelUnloadResponse&, const Done& done);

  // Defined in shared_memory_methods.cc.
  void ServeSharedMemoryMethods(grpc::ServerCompletionQueue* queue);
  absl::Status SystemStatus(const triton::SystemSharedMemoryStatusRequest& request,
                            triton::SystemSharedMemoryStatusResponse& response);
  absl::StatusOr<grpc::Status> SystemRegister(const triton::SystemSharedMemoryRegisterRequest& request,
                                              triton::SystemSharedMemoryRegisterResponse&);
  absl::Status SystemUnregister(const triton::SystemSharedMemoryUnregisterRequest& request,
                                triton::SystemSharedMemoryUnregisterResponse&);
  absl::Status CudaStatus(const triton::CudaSharedMemoryStatusRequest& request,
                          triton::CudaSharedMemoryStatusResponse& response);
  void CudaRegister(const triton::CudaSharedMemoryRegisterRequest& request, triton::CudaSharedMemoryRegisterResponse&,
                    const Done& done);
  absl::Status CudaUnregister(const triton::CudaSharedMemoryUnregisterRequest& request,
                              triton::CudaSharedMemoryUnregisterResponse&);

  const CallEnvironment& calls_;
  const RepositoryAccess repository_;
  const cuda::MaybeDriver& gpus_;
  WorkerPool& workers_;
  Tracer tracer_;
  const InferEnvironment environment_{calls_, tracer_};
  std::atomic<bool> ready_ = false;
  Service service_;
  ServedMethods methods_;
};

}  // namespace tensorferry::rpc
