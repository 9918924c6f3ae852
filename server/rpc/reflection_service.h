#pragma once

#include <string>
#include <utility>
#include <vector>

#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "rpc/serve/served_methods.h"
#include "rpc/serve/serving_queue.h"

namespace tensorferry::rpc {

// ReflectionAnswers gives the .proto files of this server's services to tools that have none.
class ReflectionAnswers {
 public:
  // Adds the full name of a service to the names that ListServices gives. Call it before calls are served.
  void List(std::string name) { names_.push_back(std::move(name)); }

  // Answers the request that `bytes` hold, and gives their memory back. Threads: any.
  // Errors: those of ParseMessage and CountedAnswer::Write.
  absl::Status Answer(grpc::ByteBuffer& bytes, const PoolFor& pool, CountedAnswer& answer) const;

 private:
  grpc::reflection::v1::ServerReflectionResponse AnswerTo(
      const grpc::reflection::v1::ServerReflectionRequest& request) const;

  std::vector<std::string> names_;
};

// ReflectionV1Code and ReflectionV1AlphaCode name what is generated of the two versions of the protocol.
struct ReflectionV1Code {
  using Reflection = grpc::reflection::v1::ServerReflection;
  using Request = grpc::reflection::v1::ServerReflectionRequest;
  using Response = grpc::reflection::v1::ServerReflectionResponse;
};

struct ReflectionV1AlphaCode {
  using Reflection = grpc::reflection::v1alpha::ServerReflection;
  using Request = grpc::reflection::v1alpha::ServerReflectionRequest;
  using Response = grpc::reflection::v1alpha::ServerReflectionResponse;
};

// ReflectionService is ServerReflection of one version of the protocol, whose messages have the same bytes in each.
// gRPC's own service is not used, because it runs on threads of its own, which cost every other call a switch between
// threads (https://github.com/grpc/grpc/issues/9115), and because gRPC 1.51 has v1alpha alone.
template <typename Code>
class ReflectionService {
 public:
  static constexpr const char* kName = Code::Reflection::service_full_name();

  // Borrows `answers`, which outlive the service.
  ReflectionService(const ServiceEnvironment& services, const ReflectionAnswers& answers)
      : methods_(services), answers_(answers) {}

  grpc::Service& service() { return service_; }

  // Serves calls on `queue`, after the server was started.
  void Serve(ServingQueue& queue);

 private:
  Detached ServeInfo(grpc::ServerCompletionQueue* queue, CallSlots& slots);

  using Reflection = typename Code::Reflection;

  typename Reflection::template WithRawMethod_ServerReflectionInfo<typename Reflection::Service> service_;
  ServedMethods methods_;
  const ReflectionAnswers& answers_;
};

using ReflectionV1 = ReflectionService<ReflectionV1Code>;
using ReflectionV1Alpha = ReflectionService<ReflectionV1AlphaCode>;

extern template class ReflectionService<ReflectionV1Code>;
extern template class ReflectionService<ReflectionV1AlphaCode>;

}  // namespace tensorferry::rpc
