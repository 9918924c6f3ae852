// Requests of few bytes that name arrays of many bytes elsewhere: these are taken in where long messages are.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>

#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "rpc/call_steps.h"
#include "rpc/native/tensor_service.h"
#include "rpc/oip/inference_service.h"
#include "rpc/triton_config/triton_proto.h"
#include "testing/byte_buffers.h"
#include "testing/echo_converter.h"
#include "testing/fake_model_version.h"
#include "testing/fake_stream.h"
#include "testing/in_process_server.h"
#include "testing/no_repository.h"
#include "testing/requests.h"
#include "testing/shared_object.h"
#include "testing/status_matchers.h"
#include "testing/test_memory.h"

namespace tensorferry::rpc {
namespace {

constexpr std::int64_t kLarge = kLongCopy;
constexpr std::int64_t kSmall = 1000;

// Makes a request for a conversion of an array that lies in shared memory.
v1::ConvertRequest Naming(std::int64_t nbytes) {
  v1::ConvertRequest request;
  v1::Array& array = AddArray(request, "x", nbytes);
  array.mutable_shared_memory()->set_region("r");
  array.mutable_shared_memory()->set_nbytes(static_cast<std::uint64_t>(nbytes));
  return request;
}

// CallerSide is a call as its caller sees it.
class CallerSide {
 public:
  CallerSide(grpc::GenericStub& stub, const std::string& method) : call_(stub.PrepareCall(&context_, method, &queue_)) {
    call_->StartCall(nullptr);
    Complete();
  }
  ~CallerSide() {
    context_.TryCancel();
    grpc::Status status;
    call_->Finish(&status, nullptr);
    Complete();
  }

  void Send(const std::string& message) {
    call_->Write(ToBytes(message), nullptr);
    Complete();
  }

  void StartReading() { call_->Read(&answer_, nullptr); }
  bool HasAnswer() {
    void* tag = nullptr;
    const auto now = gpr_time_0(GPR_CLOCK_MONOTONIC);
    if (!has_answer_) has_answer_ = queue_.AsyncNext(&tag, &ok_, now) == grpc::CompletionQueue::GOT_EVENT;
    return has_answer_;
  }
  std::string Answer() {
    if (!std::exchange(has_answer_, false)) Complete();
    return ok_ ? Concatenated(answer_) : "no answer";
  }

  // Sends, and waits for the answer.
  std::string Ask(const std::string& message) {
    Send(message);
    StartReading();
    return Answer();
  }

 private:
  void Complete() {
    void* tag = nullptr;
    queue_.Next(&tag, &ok_);
  }

  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  grpc::ByteBuffer answer_;
  bool ok_ = false;
  bool has_answer_ = false;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
};

// NamedMemory is a server with one thread that serves, and one for what takes long.
class NamedMemory : public testing::Test {
 protected:
  NamedMemory() { EXPECT_TRUE(*regions_.Register("r", object_.key(), 0, kLarge)); }

  static triton::ModelInferRequest Inferring(std::int64_t nbytes) {
    triton::ModelInferRequest request;
    request.set_model_name("model");
    auto& input = *request.add_inputs();
    input.set_name("x");
    input.set_datatype("UINT8");
    input.add_shape(nbytes);
    auto& parameters = *input.mutable_parameters();
    parameters["shared_memory_region"].set_string_param("r");
    parameters["shared_memory_byte_size"].set_int64_param(nbytes);
    return request;
  }

  static std::string Part(const v1::ConvertRequest& request) {
    v1::ConvertStreamRequest message;
    *message.mutable_request() = request;
    return message.SerializeAsString();
  }
  static std::string Chunk(std::size_t nbytes) {
    v1::ConvertStreamRequest message;
    message.set_chunk(std::string(nbytes, 'c'));
    return message.SerializeAsString();
  }

  // Parses an answer; one that does not parse, or is none, has no tensors.
  template <typename Message>
  static Message Parsed(const std::string& bytes) {
    Message message;
    EXPECT_TRUE(message.ParseFromString(bytes)) << bytes;
    return message;
  }

  // Occupy keeps the thread for what takes long until `go_on`.
  static Detached Occupy(WorkerPool& pool, std::shared_future<void> go_on) {
    co_await pool.Enter();
    go_on.wait();
  }

  // Has `large`, which was sent, wait for the thread that Occupy keeps, while others are served.
  void ExpectToWaitAlone(CallerSide& large) {
    large.StartReading();
    CallerSide small(stub_, kConvert);
    EXPECT_EQ(Parsed<v1::ConvertResponse>(small.Ask(Naming(kSmall).SerializeAsString())).tensors(0).metadata().nbytes(),
              kSmall);
    EXPECT_FALSE(large.HasAnswer()) << "it was taken in on the thread that serves the others";
    go_on_.set_value();
  }

  static constexpr char kConvert[] = "/tensorferry.v1.TensorService/Convert";
  static constexpr char kConvertStream[] = "/tensorferry.v1.TensorService/ConvertStream";
  static constexpr char kInfer[] = "/inference.GRPCInferenceService/ModelInfer";
  static constexpr char kInferStream[] = "/inference.GRPCInferenceService/ModelStreamInfer";

  SharedObject object_{std::string(kLarge, 'x')};
  EchoConverter converter_;
  OneModel models_;
  NoRepository repository_;
  TestMemory memory_{1 << 26};
  CallGate gate_;
  CallChain chain_{MakeCallSteps(gate_)};
  SharedRegions regions_{{.system = true}};
  const CallEnvironment environment_{converter_, models_, memory_.pool, chain_, regions_, {.max_tensor_bytes = 1 << 24},
                                     1 << 24};
  std::promise<void> go_on_;
  WorkerPool workers_{1};
  LiveCoroutines live_;
  WaitLimit waits_{std::chrono::milliseconds(0)};
  OpenStreams streams_;
  LocalMethods local_{live_};
  const ServiceEnvironment services_{live_, chain_, workers_, waits_, streams_, memory_.pool, local_};
  TensorService tensors_{environment_, services_};
  const cuda::MaybeDriver no_gpus_ = absl::UnimplementedError("no GPU");
  InferenceService inference_{environment_, {repository_, inference::OverridePolicy::kOff}, services_, no_gpus_};
  InProcessServer server_{live_, tensors_, inference_};
  grpc::GenericStub stub_{server_.channel()};
};

// What has the server read the elements of arrays, each time in another way.
struct LongCase {
  const char* name;
  void (*change)(v1::ConvertRequest&);
  friend void PrintTo(const LongCase& given, std::ostream* out) { *out << given.name; }
};

class LongNamedMemory : public NamedMemory, public testing::WithParamInterface<LongCase> {
 protected:
  LongNamedMemory() {
    GetParam().change(request_);
    Occupy(workers_, go_on_.get_future().share());
  }
  void ExpectAllOfIt(const v1::ConvertResponse& answer) const {
    std::int64_t nbytes = 0;
    for (const auto& tensor : answer.tensors()) nbytes += tensor.metadata().nbytes();
    EXPECT_EQ(nbytes, kLarge);
  }

  v1::ConvertRequest request_ = Naming(kLarge);
};

TEST_P(LongNamedMemory, KeepsNobodyElseWaiting) {
  CallerSide large(stub_, kConvert);
  large.Send(request_.SerializeAsString());
  ExpectToWaitAlone(large);
  ExpectAllOfIt(Parsed<v1::ConvertResponse>(large.Answer()));
}

TEST_P(LongNamedMemory, KeepsNobodyElseWaitingOnAStream) {
  CallerSide large(stub_, kConvertStream);
  large.Send(Part(request_));
  ExpectToWaitAlone(large);
  ExpectAllOfIt(Parsed<v1::ConvertStreamResponse>(large.Answer()).response());
}

INSTANTIATE_TEST_SUITE_P(
    Reads, LongNamedMemory,
    testing::Values(LongCase{"Digest", [](auto& request) { request.set_digest(v1::DIGEST_ALGORITHM_XXH3_128); }},
                    LongCase{"Elements", [](auto& request) { request.set_return_data(true); }},
                    LongCase{"Copy", [](auto& request) { request.mutable_arrays(0)->set_dtype("|b1"); }},
                    LongCase{"Several",
                             [](auto& request) {
                               request = Naming(kLarge / 2);
                               *request.add_arrays() = v1::Array(request.arrays(0));
                               request.set_digest(v1::DIGEST_ALGORITHM_XXH3_128);
                             }}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(NamedMemory, KeepsNobodyElseWaitingAfterTheLastOfManyChunks) {
  v1::ConvertRequest request;
  AddChunked(request, "x", kLarge);
  Occupy(workers_, go_on_.get_future().share());
  CallerSide large(stub_, kConvertStream);
  large.Send(Part(request));
  for (int i = 0; i < 4; ++i) large.Send(Chunk(kLarge / 4));
  ExpectToWaitAlone(large);
  EXPECT_EQ(Parsed<v1::ConvertStreamResponse>(large.Answer()).response().tensors(0).metadata().nbytes(), kLarge);
}

TEST_F(NamedMemory, IsAnsweredAtOnceWhereNothingOfItIsRead) {
  Occupy(workers_, go_on_.get_future().share());
  CallerSide caller(stub_, kConvert);
  const std::string answer = caller.Ask(Naming(kLarge).SerializeAsString());
  EXPECT_EQ(Parsed<v1::ConvertResponse>(answer).tensors(0).metadata().nbytes(), kLarge);
  go_on_.set_value();
}

TEST_F(NamedMemory, IsRefusedOnAStreamThatGoesOn) {
  v1::ConvertRequest request = Naming(kLarge);
  request.mutable_arrays(0)->set_dtype("|b1");  // 'x' is no bool.
  request.set_fidelity(v1::FIDELITY_STRICT);
  AddChunked(request, "y", 8);
  CallerSide caller(stub_, kConvertStream);
  EXPECT_EQ(Parsed<v1::ConvertStreamResponse>(caller.Ask(Part(request))).response().error().reason(), "BOOL_RANGE");
  caller.Send(Chunk(8));
  const std::string answer = caller.Ask(Part(Naming(kSmall)));
  EXPECT_EQ(Parsed<v1::ConvertStreamResponse>(answer).response().tensors(0).metadata().nbytes(), kSmall);
}

// A thread that takes in for others must not run a model, so that these are the requests that it has taken in.
TEST_F(NamedMemory, IsTakenInForAModelOnAThreadThatRunsNone) {
  for (const std::int64_t nbytes : {kSmall, kLarge}) {
    v1::ConvertRequest convert = Naming(nbytes);
    convert.set_model_name("model");
    const std::string infer = Inferring(nbytes).SerializeAsString();
    const std::vector<std::pair<const char*, std::string>> requests = {{kConvert, convert.SerializeAsString()},
                                                                       {kConvertStream, Part(convert)},
                                                                       {kInfer, infer},
                                                                       {kInferStream, infer}};
    for (const auto& [method, message] : requests) {
      CallerSide caller(stub_, method);
      caller.Send(message);
      FakeModelVersion::Run run = models_.model->AwaitRun();
      EXPECT_EQ(run.may_run_here(), nbytes == kSmall) << method << ", " << nbytes << " bytes";
      caller.StartReading();
      run.Complete("1");
      EXPECT_NE(caller.Answer(), "no answer") << method;
    }
  }
}

}  // namespace
}  // namespace tensorferry::rpc
