#pragma once

#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "rpc/serve/call_slots.h"
#include "rpc/serve/serving_queue.h"

namespace tensorferry::rpc {

// grpc.reflection.v1alpha.ServerReflection: the .proto files of the services here, for tools that have none. gRPC's own
// runs on threads of its own, which cost every other call a switch between threads.
class ReflectionService {
 public:
  explicit ReflectionService(LiveCoroutines& live) : slots_(live) {}

  grpc::Service& service() { return service_; }

  // Serve calls on `queue`, after the server was started.
  void Serve(ServingQueue& queue);

 private:
  Detached ServeInfo(grpc::ServerCompletionQueue* queue, CallSlots& slots);

  grpc::reflection::v1alpha::ServerReflection::AsyncService service_;
  ServiceSlots slots_;
};

}  // namespace tensorferry::rpc
