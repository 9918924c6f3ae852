#pragma once

#include "rpc/call/intake.h"
#include "rpc/serve/served_methods.h"
#include "rpc/serve/serving_queue.h"
#include "rpc/serve/worker_pool.h"
#include "tensorferry/v1/tensor_service.grpc.pb.h"

namespace tensorferry::rpc {

// TensorService is tensorferry.v1.TensorService. A coroutine serves each call on a thread of its queue. Work that takes
// long moves to a thread of the WorkerPool, or to a model's own threads.
//
// All methods get the bytes of their messages as they came. Convert and ConvertStream copy the elements once, from there
// into the tensor. Generated code parses the messages of the other methods, which are small.
class TensorService {
 public:
  static constexpr const char* kName = v1::TensorService::service_full_name();

  // Borrows its arguments.
  TensorService(const CallEnvironment& environment, const ServiceEnvironment& services)
      : environment_(environment), methods_(services) {}

  grpc::Service& service() { return service_; }

  // Serves calls on `queue`. Called once for each queue, after the server was started.
  void Serve(ServingQueue& queue);

 private:
  using Service = v1::TensorService::WithRawMethod_Convert<
      v1::TensorService::WithRawMethod_ConvertStream<v1::TensorService::WithRawMethod_GetServerInfo<
          v1::TensorService::WithRawMethod_ListModels<v1::TensorService::Service>>>>;

  absl::Status GetServerInfo(const v1::GetServerInfoRequest&, v1::GetServerInfoResponse& response) const;
  absl::Status ListModels(const v1::ListModelsRequest&, v1::ListModelsResponse& response) const;

  const CallEnvironment environment_;
  Service service_;
  ServedMethods methods_;
};

}  // namespace tensorferry::rpc
