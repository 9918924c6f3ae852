#include "rpc/oip/infer_protocol.h"

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "rpc/call/model_request.h"
#include "rpc/call/protocol.h"
#include "rpc/call/record.h"
#include "rpc/call/request_check.h"
#include "rpc/call/stream_run.h"
#include "rpc/oip/infer_error.h"
#include "rpc/oip/infer_reply.h"
#include "rpc/serve/error.h"
#include "rpc/serve/guarded.h"
#include "rpc/serve/method.h"
#include "rpc/triton_config/triton_proto.h"
#include "rpc/wire/shrink.h"

namespace tensorferry::rpc {
namespace {

static_assert(RequestProtocol<InferProtocol>);

// A call whose metadata have this key asks that the first error ends the stream.
constexpr char kEndsWithError[] = "triton_grpc_error";

bool AsksForEnd(const AsyncCall& call) { return call.Metadata(kEndsWithError) == "true"; }

const google::protobuf::MethodDescriptor& StreamMethod() {
  static const google::protobuf::MethodDescriptor& method = FindMethod(
      *triton::ModelInferRequest::descriptor(), *triton::ModelStreamInferResponse::descriptor(), Streams::kBoth);
  return method;
}

}  // namespace

absl::StatusOr<Intake> InferProtocol::Start(Message& message, Admission& admission) {
  id_.clear();
  const PoolFor pool(environment_.calls.pool, &admission.caller());
  TENSORFERRY_RETURN_IF_ERROR(message.Decode(&pool));
  const InferRequestView& view = message.decoded().request();
  id_ = IdToRepeat(view.id);
  auto intake = StartIntake(message, admission.caller());
  RecordModel(intake, {view.model_name, view.model_version}, admission.record());
  return intake;
}

// Starts the request of a message that is decoded.
absl::StatusOr<Intake> InferProtocol::StartIntake(Message& message, const AsyncCall& caller) {
  const InferRequestView& view = message.decoded().request();
  if (view.model_name.empty()) {
    return MakeError(Reason::kModelNotFound, "'' is not found", {.field = "model_name", .expected = "a model's name"});
  }
  const CallEnvironment& calls = environment_.calls;
  TENSORFERRY_RETURN_IF_ERROR(
      Translate(view, {calls.regions, calls.sealed}, message.decoder().memory(), request_, plans_));
  auto intake = Intake::Start(request_, {.parsed = message.decoded().parsed()}, calls, &caller);
  if (intake.ok() && !plans_.empty()) {
    model_ = intake->model();
    caller_ = &caller;
  }
  return intake;
}

void InferProtocol::ReadId(Message& message, const AsyncCall& caller) {
  const PoolFor pool(environment_.calls.pool, &caller);
  if (message.Decode(&pool).ok()) id_ = IdToRepeat(message.decoded().request().id);
}

// Classes are sorted, and written as text: 65,536 of them take some 10 ms.
bool InferProtocol::IsLongToAnswer(const inference::PipelineResponse& result) const {
  const auto is_shared = [](const OutputPlan& plan) { return plan.shared.has_value(); };
  if (std::ranges::any_of(plans_, is_shared) && IsLongToWrite(result)) return true;
  constexpr std::int64_t kMostElements = 4096;
  if (std::ranges::none_of(plans_, [](const OutputPlan& plan) { return plan.classes > 0; })) return false;
  std::int64_t elements = 0;
  for (const inference::TensorResult& output : result.outputs) elements += output.metadata.numel;
  return elements > kMostElements;
}

absl::StatusOr<EncodedResponse> InferProtocol::Encode(Response& response, WireWriter& writer) {
  if (!plans_.empty()) {
    const auto model = std::exchange(model_, nullptr);
    TENSORFERRY_RETURN_IF_ERROR(ApplyPlans(plans_, model->info(), {environment_.calls.pool, caller_}, response.result));
  }
  response.request_id = id_;
  environment_.tracer.Record(response);
  const auto encode = errors_go_ == ErrorsGo::kToTheCall ? EncodeInferResponse : EncodeStreamInferResponse;
  TENSORFERRY_ASSIGN_OR_RETURN(OutgoingMessage message, encode(response, environment_.calls.max_message_bytes, writer));
  Forget();
  return EncodedResponse(std::move(message));
}

EncodedResponse InferProtocol::Refuse(const absl::Status& error) {
  Forget();
  if (errors_go_ != ErrorsGo::kIntoTheStream) return EncodedResponse::End(error);
  return EncodedResponse(EncodeStreamInferError(id_, FailureForCaller(error).message));
}

// Releases the model and the regions of shared memory: they may be withdrawn before the next request comes.
void InferProtocol::Forget() {
  model_.reset();
  ClearAndShrink(plans_);
  ClearAndShrink(request_.requested_outputs);
  ClearAndShrink(request_.arrays);
}

const google::protobuf::MethodDescriptor& InferProtocol::Method() {
  static const google::protobuf::MethodDescriptor& method =
      FindMethod(*triton::ModelInferRequest::descriptor(), *triton::ModelInferResponse::descriptor(), Streams::kNone);
  return method;
}

void InferStreamProtocol::Begin(AsyncCall& call) {
  using ErrorsGo = InferProtocol::ErrorsGo;
  call_ = &call;
  errors_go_ = AsksForEnd(call) ? ErrorsGo::kToTheStream : ErrorsGo::kIntoTheStream;
}

void InferStreamProtocol::End() {
  intake_.reset();
  request_.reset();
  admission_.reset();
  message_.Clear();
}

absl::StatusOr<StreamProtocol::Owed> InferStreamProtocol::Take() {
  request_.emplace(environment_, errors_go_);
  admission_.emplace(environment_.calls.chain, CallInfo{StreamMethod(), *call_, CallKind::kTensors});
  RecordMessage(message_.bytes.Length(), admission_->record());
  absl::StatusOr<Owed> owed = Guarded([this] { return TakeRun(); });
  if (owed.ok() && owed->unfinished) return owed;
  return OrRefusal(std::move(owed));
}

absl::StatusOr<StreamProtocol::Owed> InferStreamProtocol::GoOn() {
  return OrRefusal(Guarded([this]() -> absl::StatusOr<Owed> {
    Intake intake = *std::exchange(intake_, std::nullopt);
    TENSORFERRY_RETURN_IF_ERROR(intake.GoOn());
    return RunOf(std::move(intake));
  }));
}

StreamProtocol::Owed InferStreamProtocol::OrRefusal(absl::StatusOr<Owed> owed) {
  message_.Clear();
  if (owed.ok()) return *std::move(owed);
  refusal_ = owed.status();
  return Owed{.response = true};
}

absl::StatusOr<StreamProtocol::Owed> InferStreamProtocol::TakeRun() {
  if (!admission_->status().ok()) {
    request_->ReadId(message_, *call_);
    return admission_->status();
  }
  TENSORFERRY_ASSIGN_OR_RETURN(Intake intake, request_->Start(message_, *admission_));
  if (!intake.is_long()) return RunOf(std::move(intake));
  intake_.emplace(std::move(intake));
  return Owed{.unfinished = true};
}

StreamProtocol::Owed InferStreamProtocol::RunOf(Intake intake) {
  HeldMessage held = HoldFor(intake, message_);
  return Owed{.run = std::make_unique<ModelStreamRun<InferProtocol>>(std::move(intake), std::move(held),
                                                                     *std::move(admission_), *std::move(request_))};
}

EncodedResponse InferStreamProtocol::TakeResponse() {
  absl::StatusOr<Response> refusal = std::exchange(refusal_, absl::OkStatus());
  return EndRequest(*request_, *admission_, refusal, writer_);
}

grpc::Status InferStreamProtocol::FinalStatus(const absl::Status& status) const {
  return rpc::FinalStatus(StreamMethod().name(), status.ok() ? status : InferError(status));
}

}  // namespace tensorferry::rpc
