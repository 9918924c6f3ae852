#pragma once

#include <atomic>

#include "inference/grpc_service.grpc.pb.h"
#include "rpc/call/intake.h"
#include "rpc/oip/allowed_overrides.h"
#include "rpc/oip/infer_protocol.h"
#include "rpc/oip/tracer.h"
#include "rpc/serve/call_slots.h"
#include "rpc/serve/serving_queue.h"
#include "rpc/serve/worker_pool.h"
#include "rpc/triton_config/triton_namespace.h"

namespace tensorferry::rpc {

// inference.GRPCInferenceService: the Open Inference Protocol, with Triton's extensions, over the same models and the
// same way of tensors as TensorService. docs/compatibility.md lists where it behaves differently from Triton.
//
// ModelInfer and ModelStreamInfer take the bytes of their messages as they came; the others are parsed by generated
// code.
class InferenceService {
 public:
  // `copiers`: where the copies of large inputs go on.
  InferenceService(const CallEnvironment& environment, AllowedOverrides model_overrides, WorkerPool& copiers,
                   LiveCoroutines& live)
      : calls_(environment), model_overrides_(model_overrides), copiers_(copiers), slots_(live) {}

  grpc::Service& service() { return service_; }

  // Serve calls on `queue`, after the server was started.
  void Serve(ServingQueue& queue);

  // What ServerReady answers.
  void SetReady(bool ready) { ready_ = ready; }

 private:
  template <typename Base>
  using ServerRpcs = triton::GRPCInferenceService::WithAsyncMethod_ServerLive<
      triton::GRPCInferenceService::WithAsyncMethod_ServerReady<
          triton::GRPCInferenceService::WithAsyncMethod_ServerMetadata<
              triton::GRPCInferenceService::WithAsyncMethod_TraceSetting<
                  triton::GRPCInferenceService::WithAsyncMethod_LogSettings<Base>>>>>;
  template <typename Base>
  using ModelRpcs = triton::GRPCInferenceService::WithAsyncMethod_ModelReady<
      triton::GRPCInferenceService::WithAsyncMethod_ModelMetadata<
          triton::GRPCInferenceService::WithAsyncMethod_ModelConfig<
              triton::GRPCInferenceService::WithAsyncMethod_ModelStatistics<Base>>>>;
  template <typename Base>
  using RepositoryRpcs = triton::GRPCInferenceService::WithAsyncMethod_RepositoryIndex<
      triton::GRPCInferenceService::WithAsyncMethod_RepositoryModelLoad<
          triton::GRPCInferenceService::WithAsyncMethod_RepositoryModelUnload<Base>>>;
  template <typename Base>
  using SystemMemoryRpcs = triton::GRPCInferenceService::WithAsyncMethod_SystemSharedMemoryStatus<
      triton::GRPCInferenceService::WithAsyncMethod_SystemSharedMemoryRegister<
          triton::GRPCInferenceService::WithAsyncMethod_SystemSharedMemoryUnregister<Base>>>;
  template <typename Base>
  using CudaMemoryRpcs = triton::GRPCInferenceService::WithAsyncMethod_CudaSharedMemoryStatus<
      triton::GRPCInferenceService::WithAsyncMethod_CudaSharedMemoryRegister<
          triton::GRPCInferenceService::WithAsyncMethod_CudaSharedMemoryUnregister<Base>>>;
  using Service = ServerRpcs<
      ModelRpcs<RepositoryRpcs<SystemMemoryRpcs<CudaMemoryRpcs<triton::GRPCInferenceService::WithRawMethod_ModelInfer<
          triton::GRPCInferenceService::WithRawMethod_ModelStreamInfer<triton::GRPCInferenceService::Service>>>>>>>;

  void ServeInference(ServingQueue& queue);
  void ServeServer(grpc::ServerCompletionQueue* queue);
  void ServeModels(grpc::ServerCompletionQueue* queue);
  void ServeRepository(grpc::ServerCompletionQueue* queue);
  void ServeSystemMemory(grpc::ServerCompletionQueue* queue);
  void ServeCudaMemory(grpc::ServerCompletionQueue* queue);

  const CallEnvironment& calls_;
  const AllowedOverrides model_overrides_;
  WorkerPool& copiers_;
  Tracer tracer_;
  const InferEnvironment environment_{calls_, tracer_};
  std::atomic<bool> ready_ = false;
  Service service_;
  ServiceSlots slots_;
};

}  // namespace tensorferry::rpc
