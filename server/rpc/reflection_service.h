#pragma once

#include <string>
#include <utility>
#include <vector>

#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "rpc/serve/served_methods.h"
#include "rpc/serve/serving_queue.h"

namespace tensorferry::rpc {

// ReflectionService is grpc.reflection.v1alpha.ServerReflection: it gives the .proto files of this server's services to
// tools that have none. gRPC's own service is not used, because it runs on threads of its own, which cost every other
// call a switch between threads (https://github.com/grpc/grpc/issues/9115).
class ReflectionService {
 public:
  static constexpr const char* kName = grpc::reflection::v1alpha::ServerReflection::service_full_name();

  explicit ReflectionService(const ServiceEnvironment& services) : methods_(services) {}

  grpc::Service& service() { return service_; }

  // Adds the full name of a service to the names that ListServices gives. Call it before Serve.
  void List(std::string name) { names_.push_back(std::move(name)); }

  // Serves calls on `queue`, after the server was started.
  void Serve(ServingQueue& queue);

 private:
  using Service = grpc::reflection::v1alpha::ServerReflection::WithRawMethod_ServerReflectionInfo<
      grpc::reflection::v1alpha::ServerReflection::Service>;

  grpc::reflection::v1alpha::ServerReflectionResponse Answer(
      const grpc::reflection::v1alpha::ServerReflectionRequest& request) const;
  // Answers the request that `bytes` hold, and gives their memory back.
  // Errors: those of ParseMessage and SerializeMessage.
  absl::Status AnswerBytes(grpc::ByteBuffer& bytes, grpc::ByteBuffer& answer) const;
  Detached ServeInfo(grpc::ServerCompletionQueue* queue, CallSlots& slots);

  Service service_;
  ServedMethods methods_;
  std::vector<std::string> names_;
};

}  // namespace tensorferry::rpc
