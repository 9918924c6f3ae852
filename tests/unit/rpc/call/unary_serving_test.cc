#include "rpc/call/unary_serving.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "rpc/call/incoming_message.h"
#include "rpc/call_steps.h"
#include "rpc/serve/error.h"
#include "rpc/serve/method.h"
#include "tensorferry/v1/tensor_service.grpc.pb.h"
#include "tensorferry/v1/tensor_service.pb.h"
#include "testing/byte_buffers.h"
#include "testing/echo_converter.h"
#include "testing/fake_model_version.h"
#include "testing/fake_stream.h"
#include "testing/test_memory.h"

namespace tensorferry::rpc {
namespace {

using testing::ElementsAre;

struct TextDecoder {
  std::string text;

  absl::Status Decode(std::span<const Bytes> message) {
    text.clear();
    for (const Bytes& piece : message) text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    if (text == "undecodable") return MakeError(Reason::kBadChunk, text);
    return absl::OkStatus();
  }
  static bool IsLongToRead(std::span<const Bytes> message) { return static_cast<char>(message.back().back()) == '!'; }
  void Clear() {}
};

// Ends records how each request has ended: "encoded" or "refused".
// Threads: any.
class Ends {
 public:
  void Add(const char* end) {
    const std::lock_guard lock(mutex_);
    ends_.emplace_back(end);
  }
  std::vector<std::string> Get() const {
    const std::lock_guard lock(mutex_);
    return ends_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> ends_;
};

struct TextEnvironment {
  const CallEnvironment& calls;
  Ends& ends;
  std::weak_ptr<const void>& unsent;  // What an answer refers to that turns out to be too large.
};

// TextProtocol is a protocol of texts: a model runs those that begin with "model". Others are answered with themselves,
// except for those that say what goes wrong.
class TextProtocol {
 public:
  using Message = IncomingMessage<TextDecoder>;

  explicit TextProtocol(const TextEnvironment& environment) : environment_(environment) {}

  absl::StatusOr<Intake> Start(Message& message, Admission& admission) {
    TENSORFERRY_RETURN_IF_ERROR(message.Decode());
    text_ = message.decoded().text;
    if (text_ == "throws at the start") throw std::runtime_error("a path: /srv");
    RequestView request;
    if (text_.starts_with("model")) request.model_name = "model";
    auto intake = Intake::Start(request, {}, environment_.calls, &admission.caller());
    RecordModel(intake, {request.model_name, request.model_version}, admission.record());
    return intake;
  }

  absl::StatusOr<EncodedResponse> Encode(Response& response, WireWriter& writer) {
    if (text_ == "throws at the end") throw std::bad_alloc();
    if (text_ == "too large") {
      const auto elements = std::make_shared<const std::string>(1 << 20, 'x');
      environment_.unsent = elements;
      writer.OneofBytes(1, std::as_bytes(std::span(*elements)), elements);
      return MakeError(Reason::kTensorTooLarge, text_);
    }
    environment_.ends.Add("encoded");
    return EncodedResponse(ToMessage(text_ + response.result.model_version));
  }

  bool IsLongToAnswer(const inference::PipelineResponse&) const { return text_.starts_with("model, long"); }

  EncodedResponse Refuse(const absl::Status& error) {
    environment_.ends.Add("refused");
    return EncodedResponse::End(error);
  }

  static absl::Status Worded(const absl::Status& error) { return error; }
  std::string_view request_id() const { return {}; }
  const CallChain& chain() const { return environment_.calls.chain; }
  BufferPool& pool() const { return environment_.calls.pool; }
  static const google::protobuf::MethodDescriptor& Method() {
    return FindMethod(*v1::ConvertRequest::descriptor(), *v1::ConvertResponse::descriptor(), Streams::kNone);
  }

 private:
  const TextEnvironment& environment_;
  std::string text_;
};

static_assert(RequestProtocol<TextProtocol>);

// UnaryServing is a server in this process, without a port. Convert takes bytes, and TextProtocol says what they mean.
class UnaryServing : public testing::Test {
 protected:
  UnaryServing() {
    slots_.Serve([this](CallSlots& slots) {
      ServeRequest<TextProtocol>(
          {queue_, copiers_, waits_, streams_, memory_.pool}, slots, environment_,
          std::make_unique<GrpcUnaryCall>([this](auto* context, auto* request, auto* responder, Tag* tag) {
            service_.RequestConvert(context, request, responder, queue_.get(), queue_.get(), tag);
          }));
    });
    queue_.Start(1);
  }
  ~UnaryServing() override {
    server_->Shutdown();
    live_.WaitForNone();
    queue_.Stop();
  }

  struct Answered {
    grpc::Status status;
    std::string text;
  };

  // Call makes a call and waits for its end. It calls `sent` once the request is on its way.
  Answered Call(
      const std::string& text, const std::function<void(grpc::ClientContext&)>& sent = [](auto&) {}) {
    grpc::ClientContext context;
    grpc::CompletionQueue completed;
    grpc::ByteBuffer response;
    Answered answered;
    auto call = stub_.PrepareUnaryCall(&context, "/tensorferry.v1.TensorService/Convert", ToBytes(text), &completed);
    call->StartCall();
    call->Finish(&response, &answered.status, this);
    sent(context);
    void* tag = nullptr;
    bool ok = false;
    completed.Next(&tag, &ok);
    if (answered.status.ok()) answered.text = Concatenated(response);
    return answered;
  }

  EchoConverter converter_;
  OneModel models_;
  TestMemory memory_;
  CallGate gate_;
  SharedRegions regions_{RegionKinds{}};
  CallChain chain_{MakeCallSteps(gate_)};
  CallEnvironment calls_{converter_, models_, memory_.pool, chain_, regions_, {.max_tensor_bytes = 1 << 20}, 1 << 20};
  Ends ends_;
  std::weak_ptr<const void> unsent_;
  TextEnvironment environment_{calls_, ends_, unsent_};

  v1::TensorService::WithRawMethod_Convert<v1::TensorService::Service> service_;
  grpc::ServerBuilder builder_;
  ServingQueue queue_{builder_};
  WorkerPool copiers_{1};
  WaitLimit waits_{std::chrono::milliseconds(0)};
  OpenStreams streams_;
  std::unique_ptr<grpc::Server> server_ = builder_.RegisterService(&service_).BuildAndStart();
  grpc::GenericStub stub_{server_->InProcessChannel({})};
  LiveCoroutines live_;
  ServiceSlots slots_{live_};
};

TEST_F(UnaryServing, SendsTheResponse) {
  const Answered answered = Call("hello");
  EXPECT_TRUE(answered.status.ok());
  EXPECT_EQ(answered.text, "hello");
  EXPECT_EQ(Call(std::string(kLongCopy, 'x')).text.size(), kLongCopy) << "also if its copy moves to another thread";
  EXPECT_THAT(ends_.Get(), ElementsAre("encoded", "encoded"));
}

TEST_F(UnaryServing, EndsWithTheErrorOfEachStep) {
  EXPECT_EQ(Call("undecodable").status.error_message(), "undecodable");
  EXPECT_EQ(Call("too large").status.error_message(), "too large");
  EXPECT_EQ(Call("throws at the start").status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(Call("throws at the end").status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(ends_.Get(), ElementsAre("refused", "refused", "refused", "refused"));
  EXPECT_EQ(Call("hello").text, "hello") << "and serves on";
}

TEST_F(UnaryServing, KeepsNothingOfAnAnswerThatIsTooLarge) {
  EXPECT_EQ(Call("too large").status.error_message(), "too large");
  EXPECT_TRUE(unsent_.expired());
}

TEST_F(UnaryServing, IsRefusedWhileDraining) {
  gate_.Close();
  EXPECT_EQ(Call("hello").status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(UnaryServing, WaitsForTheModel) {
  const Answered answered = Call("model", [this](auto&) { models_.model->AwaitRun().Complete("3"); });
  EXPECT_EQ(answered.text, "model3");
  EXPECT_TRUE(gate_.WaitUntilIdle(std::chrono::steady_clock::now() + std::chrono::minutes(1)));
  EXPECT_EQ(models_.model.use_count(), 1) << "an answered request keeps no model";
}

TEST_F(UnaryServing, LendsTheModelNoThreadThatCopiesForOthers) {
  const std::string model = "model";
  const std::string spaces(kLongToReadFrom, ' ');
  const std::vector<std::pair<std::string, bool>> cases = {{model, false},
                                                           {model + spaces, false},
                                                           {model + "!", false},
                                                           {model + spaces + "!", true},
                                                           {model + std::string(kLongCopy - model.size(), ' '), true}};
  for (const auto& each : cases) {
    const std::string& request = each.first;
    const bool is_long = each.second;
    Call(request, [&](auto&) {
      FakeModelVersion::Run run = models_.model->AwaitRun();
      EXPECT_EQ(run.may_run_here(), !is_long) << request.size() << " bytes";
      run.Fail(MakeError(Reason::kModelFailed, "the answer would be larger than this caller takes"));
    });
  }
}

TEST_F(UnaryServing, EndsWithTheErrorOfTheModel) {
  const Answered answered =
      Call("model", [this](auto&) { models_.model->AwaitRun().Fail(MakeError(Reason::kModelFailed, "it failed")); });
  EXPECT_EQ(answered.status.error_message(), "it failed");
  EXPECT_THAT(ends_.Get(), ElementsAre("refused"));
}

TEST_F(UnaryServing, TellsTheModelThatTheCallerIsGone) {
  absl::Status seen;
  const Answered answered = Call("model", [&](grpc::ClientContext& context) {
    FakeModelVersion::Run run = models_.model->AwaitRun();
    context.TryCancel();
    for (seen = run.CheckCaller(); seen.ok(); seen = run.CheckCaller()) std::this_thread::yield();
    run.Complete("3");
  });
  EXPECT_EQ(DescribeError(seen).reason, Reason::kCancelled);
  EXPECT_EQ(answered.status.error_code(), grpc::StatusCode::CANCELLED);
}

}  // namespace
}  // namespace tensorferry::rpc
