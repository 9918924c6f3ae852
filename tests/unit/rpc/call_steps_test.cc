// Every method of every service goes through the chain, so that a step that is added touches no handler.
#include "rpc/call_steps.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <grpcpp/generic/generic_stub.h>

#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/status.h"
#include "rpc/health_service.h"
#include "rpc/native/tensor_service.h"
#include "rpc/oip/inference_service.h"
#include "rpc/reflection_service.h"
#include "testing/echo_converter.h"
#include "testing/in_process_server.h"
#include "testing/no_models.h"
#include "testing/no_repository.h"
#include "testing/test_memory.h"

namespace tensorferry::rpc {
namespace {

using testing::Contains;

// kRefuseInPlace has the streams on which each request goes through the chain by itself: a refusal is a response there.
const std::set<std::string, std::less<>> kRefuseInPlace = {"tensorferry.v1.TensorService.ConvertStream",
                                                           "inference.GRPCInferenceService.ModelStreamInfer"};

std::vector<const google::protobuf::MethodDescriptor*> MethodsOfEveryService() {
  std::vector<const google::protobuf::MethodDescriptor*> methods;
  for (const char* const name : {TensorService::kName, InferenceService::kName, HealthService::kName,
                                 ReflectionV1::kName, ReflectionV1Alpha::kName}) {
    const auto* const service = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name);
    for (int i = 0; i < service->method_count(); ++i) methods.push_back(service->method(i));
  }
  return methods;
}

// RefusingStep refuses everything, and records what it has refused and whose end it has seen.
class RefusingStep final : public CallStep {
 public:
  struct Seen {
    std::mutex mutex;
    std::vector<std::string> entered, ended;
  };
  explicit RefusingStep(Seen& seen) : seen_(seen) {}

  absl::Status Enter(CallInfo& call) const override {
    const std::lock_guard lock(seen_.mutex);
    seen_.entered.emplace_back(call.method.full_name());
    return MakeError(Reason::kPermissionDenied, "this step refuses everything");
  }
  void End(const CallInfo& call, const absl::Status& status) const override {
    const std::lock_guard lock(seen_.mutex);
    if (!status.ok()) seen_.ended.emplace_back(call.method.full_name());
  }

 private:
  Seen& seen_;
};

std::string PathOf(const google::protobuf::MethodDescriptor& method) {
  return fmt::format("/{}/{}", method.service()->full_name(), method.name());
}

// Returns a message whose field 1 is empty. All requests have such a field: a text, or a message.
grpc::ByteBuffer EmptyField() {
  const grpc::Slice message(std::string("\x0a\x00", 2));
  return {&message, 1};
}

// Call calls a method with EmptyField.
grpc::Status Call(const std::shared_ptr<grpc::Channel>& channel, const google::protobuf::MethodDescriptor& method) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const auto complete = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  };
  const auto call = stub.PrepareCall(&context, PathOf(method), &queue);
  call->StartCall(nullptr);
  complete();
  call->WriteLast(EmptyField(), grpc::WriteOptions(), nullptr);
  complete();
  grpc::ByteBuffer response;
  do {
    call->Read(&response, nullptr);
  } while (complete());
  grpc::Status status;
  call->Finish(&status, nullptr);
  complete();
  return status;
}

TEST(CallSteps, SeeEveryMethodOfEveryService) {
  RefusingStep::Seen seen;
  CallChain::Steps steps;
  steps.push_back(std::make_unique<RefusingStep>(seen));
  const CallChain chain(std::move(steps));
  EchoConverter converter;
  NoModels models;
  NoRepository repository;
  TestMemory memory;
  SharedRegions regions(RegionKinds{});
  const CallEnvironment environment{converter, models, memory.pool, chain, regions, {.max_tensor_bytes = 1 << 20},
                                    1 << 20};
  WorkerPool copiers(1);
  LiveCoroutines live;
  WaitLimit waits(std::chrono::milliseconds(0));
  OpenStreams streams;
  LocalMethods local(live);
  const ServiceEnvironment services{live, chain, copiers, waits, streams, memory.pool, local};
  TensorService tensors(environment, services);
  const cuda::MaybeDriver no_gpus = absl::UnimplementedError("no GPU");
  InferenceService inference(environment, {repository, inference::OverridePolicy::kOff}, services, no_gpus);
  HealthService health(services);
  const ReflectionAnswers answers;
  ReflectionV1 reflection(services, answers);
  ReflectionV1Alpha reflection_alpha(services, answers);
  InProcessServer server(live, tensors, inference, health, reflection, reflection_alpha);

  const auto methods = MethodsOfEveryService();
  ASSERT_EQ(methods.size(), 28u);
  const auto channel = server.channel();
  for (const google::protobuf::MethodDescriptor* const method : methods) {
    const grpc::Status status = Call(channel, *method);
    if (kRefuseInPlace.contains(method->full_name())) {
      EXPECT_TRUE(status.ok()) << method->full_name();
    } else {
      EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED) << method->full_name();
      EXPECT_EQ(status.error_message(), "this step refuses everything") << method->full_name();
    }
    const std::lock_guard lock(seen.mutex);
    EXPECT_THAT(seen.entered, Contains(method->full_name()).Times(1));
    EXPECT_THAT(seen.ended, Contains(method->full_name()).Times(1));
  }
  // Calls from within the process go the same way.
  for (const google::protobuf::MethodDescriptor* const method : methods) {
    if (method->client_streaming() || method->server_streaming()) continue;
    local.Call(
        PathOf(*method),
        {.caller = std::make_shared<LocalCaller>(), .message = EmptyField(), .answer = [&](const LocalAnswer& answer) {
           EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::PERMISSION_DENIED) << method->full_name();
         }});
    const std::lock_guard lock(seen.mutex);
    EXPECT_THAT(seen.entered, Contains(method->full_name()).Times(2));
    EXPECT_THAT(seen.ended, Contains(method->full_name()).Times(2));
  }
  local.Close();
}

}  // namespace
}  // namespace tensorferry::rpc
