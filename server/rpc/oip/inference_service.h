#pragma once

#include <atomic>

#include "inference/grpc_service.grpc.pb.h"
#include "rpc/call/convert_call.h"
#include "rpc/oip/allowed_overrides.h"
#include "rpc/oip/infer_form.h"
#include "rpc/oip/tracer.h"
#include "rpc/serve/call_slots.h"
#include "rpc/serve/serving_queue.h"
#include "rpc/serve/worker_pool.h"

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
  using ServerRpcs = ::inference::GRPCInferenceService::WithAsyncMethod_ServerLive<
      ::inference::GRPCInferenceService::WithAsyncMethod_ServerReady<
          ::inference::GRPCInferenceService::WithAsyncMethod_ServerMetadata<
              ::inference::GRPCInferenceService::WithAsyncMethod_TraceSetting<
                  ::inference::GRPCInferenceService::WithAsyncMethod_LogSettings<Base>>>>>;
  template <typename Base>
  using ModelRpcs = ::inference::GRPCInferenceService::WithAsyncMethod_ModelReady<
      ::inference::GRPCInferenceService::WithAsyncMethod_ModelMetadata<
          ::inference::GRPCInferenceService::WithAsyncMethod_ModelConfig<
              ::inference::GRPCInferenceService::WithAsyncMethod_ModelStatistics<Base>>>>;
  template <typename Base>
  using RepositoryRpcs = ::inference::GRPCInferenceService::WithAsyncMethod_RepositoryIndex<
      ::inference::GRPCInferenceService::WithAsyncMethod_RepositoryModelLoad<
          ::inference::GRPCInferenceService::WithAsyncMethod_RepositoryModelUnload<Base>>>;
  template <typename Base>
  using SystemMemoryRpcs = ::inference::GRPCInferenceService::WithAsyncMethod_SystemSharedMemoryStatus<
      ::inference::GRPCInferenceService::WithAsyncMethod_SystemSharedMemoryRegister<
          ::inference::GRPCInferenceService::WithAsyncMethod_SystemSharedMemoryUnregister<Base>>>;
  template <typename Base>
  using CudaMemoryRpcs = ::inference::GRPCInferenceService::WithAsyncMethod_CudaSharedMemoryStatus<
      ::inference::GRPCInferenceService::WithAsyncMethod_CudaSharedMemoryRegister<
          ::inference::GRPCInferenceService::WithAsyncMethod_CudaSharedMemoryUnregister<Base>>>;
  using Service = ServerRpcs<ModelRpcs<
      RepositoryRpcs<SystemMemoryRpcs<CudaMemoryRpcs<::inference::GRPCInferenceService::WithRawMethod_ModelInfer<
          ::inference::GRPCInferenceService::WithRawMethod_ModelStreamInfer<
              ::inference::GRPCInferenceService::Service>>>>>>>;

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
