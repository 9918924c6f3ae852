// ModelInfer and ModelStreamInfer in the form in which unary_serving.h and stream_serving.h serve them.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rpc/call/encoded_response.h"
#include "rpc/call/incoming_message.h"
#include "rpc/call/intake.h"
#include "rpc/call/response.h"
#include "rpc/call/stream_protocol.h"
#include "rpc/oip/infer_decoder.h"
#include "rpc/oip/infer_error.h"
#include "rpc/oip/infer_request.h"
#include "rpc/oip/tracer.h"
#include "rpc/serve/call_chain.h"
#include "rpc/wire/wire_writer.h"

namespace tensorferry::rpc {

struct InferEnvironment {
  const CallEnvironment& calls;
  Tracer& tracer;
};

// InferProtocol is the RequestProtocol of one ModelInferRequest. It applies classification and shared memory to the
// outputs of the model.
class InferProtocol {
 public:
  using Message = IncomingMessage<InferDecoder>;

  // ErrorsGo says where the error of the request goes.
  enum class ErrorsGo : std::uint8_t {
    kToTheCall,      // ModelInfer: the error ends the call.
    kIntoTheStream,  // ModelStreamInfer: the error is a response.
    kToTheStream,    // ModelStreamInfer: the error ends the stream.
  };

  explicit InferProtocol(const InferEnvironment& environment, ErrorsGo errors_go = ErrorsGo::kToTheCall)
      : environment_(environment), errors_go_(errors_go) {}

  // Errors: those of InferDecoder::Decode, Translate and Intake::Start; MODEL_NOT_FOUND if no model is named.
  absl::StatusOr<Intake> Start(Message& message, Admission& admission);

  // Reads no more than the id, for the refusal of a request that is not started.
  void ReadId(Message& message, const AsyncCall& caller);

  std::string_view request_id() const { return id_; }

  // Errors: those of ApplyPlans and EncodeInferResponse.
  absl::StatusOr<EncodedResponse> Encode(Response& response, WireWriter& writer);

  bool IsLongToAnswer(const inference::PipelineResponse& result) const;
  EncodedResponse Refuse(const absl::Status& error);
  static absl::Status Worded(const absl::Status& error) { return InferError(error); }
  BufferPool& pool() const { return environment_.calls.pool; }
  const CallChain& chain() const { return environment_.calls.chain; }
  static const google::protobuf::MethodDescriptor& Method();

 private:
  absl::StatusOr<Intake> StartIntake(Message& message, const AsyncCall& caller);
  void Forget();

  const InferEnvironment& environment_;
  const ErrorsGo errors_go_;
  std::string id_;  // Empty until a message has decoded.
  RequestView request_;
  std::vector<OutputPlan> plans_;
  std::shared_ptr<inference::ModelVersion> model_;  // Null if there are no plans.
  const MemoryPeer* caller_ = nullptr;              // Null if there are no plans.
};

// InferStreamProtocol reads ModelStreamInfer: each message is a request.
class InferStreamProtocol final : public StreamProtocol {
 public:
  explicit InferStreamProtocol(const InferEnvironment& environment) : environment_(environment) {}

  void Begin(AsyncCall& call) override;
  void End() override;
  grpc::ByteBuffer& message() override { return message_.bytes; }
  bool message_is_long() override { return message_.is_long(); }
  absl::StatusOr<Owed> Take() override;
  absl::StatusOr<Owed> GoOn() override;
  EncodedResponse TakeResponse() override;
  bool awaits_rest() const override { return false; }
  absl::Status OnEnd() const override { return absl::OkStatus(); }
  grpc::Status FinalStatus(const absl::Status& status) const override;

 private:
  absl::StatusOr<Owed> TakeRun();
  Owed RunOf(Intake intake);
  Owed OrRefusal(absl::StatusOr<Owed> owed);

  const InferEnvironment& environment_;
  InferProtocol::Message message_;
  AsyncCall* call_ = nullptr;
  InferProtocol::ErrorsGo errors_go_ = InferProtocol::ErrorsGo::kIntoTheStream;
  WireWriter writer_;
  std::optional<InferProtocol> request_;  // The last request; nothing if its model runs.
  std::optional<Admission> admission_;    // Belongs to request_.
  std::optional<Intake> intake_;          // Of request_, while the rest of the message is to be taken in.
  absl::Status refusal_;                  // Says why request_ is refused.
};

}  // namespace tensorferry::rpc
