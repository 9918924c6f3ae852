#include "rpc/oip/infer_protocol.h"

#include <utility>

#include "base/status.h"
#include "rpc/call/model_request.h"
#include "rpc/call/protocol.h"
#include "rpc/call/stream_run.h"
#include "rpc/oip/infer_error.h"
#include "rpc/oip/infer_reply.h"
#include "rpc/serve/guarded.h"

namespace tensorferry::rpc {
namespace {

static_assert(RequestProtocol<InferProtocol>);

// The metadata of a call with which it asks that the first error ends the stream.
constexpr char kEndsWithError[] = "triton_grpc_error";

bool AsksForEnd(const grpc::ServerContext& context) {
  const auto found = context.client_metadata().find(kEndsWithError);
  return found != context.client_metadata().end() && found->second == "true";
}

grpc::Status StreamStatus(const absl::Status& status) { return InferEndOf("ModelStreamInfer", status); }

}  // namespace

absl::StatusOr<Intake> InferProtocol::Start(Message& message) {
  id_.clear();
  TENSORFERRY_RETURN_IF_ERROR(message.Decode());
  const InferRequestView& view = message.decoded().request();
  id_ = view.id;
  if (view.model_name.empty()) {
    return MakeError(Reason::kModelNotFound, "'' is not found", {.field = "model_name", .expected = "a model's name"});
  }
  const CallEnvironment& calls = environment_.calls;
  TENSORFERRY_RETURN_IF_ERROR(Translate(view, calls.regions, message.decoder().parsed(), request_, plans_));
  auto intake = Intake::Start(request_, Intake::Chunks::kRefused, calls);
  if (intake.ok() && !plans_.empty()) model_ = intake->model();
  return intake;
}

absl::StatusOr<EncodedResponse> InferProtocol::Encode(Response& response, WireWriter& writer) {
  if (!plans_.empty()) {
    const auto model = std::exchange(model_, nullptr);
    TENSORFERRY_RETURN_IF_ERROR(ApplyPlans(plans_, model->info(), response.result));
  }
  response.request_id = id_;
  environment_.tracer.Record(response);
  const auto encode = method_ == Method::kModelInfer ? EncodeInferResponse : EncodeStreamInferResponse;
  TENSORFERRY_ASSIGN_OR_RETURN(grpc::ByteBuffer message,
                               encode(response, environment_.calls.max_message_bytes, writer));
  Forget();
  EncodedResponse encoded(std::move(message));
  encoded.Keep(std::move(response.pass));
  return encoded;
}

EncodedResponse InferProtocol::Refuse(const absl::Status& error) {
  Forget();
  if (method_ != Method::kModelStreamInfer) return EncodedResponse::End(error);
  return EncodedResponse(EncodeStreamInferError(id_, StreamStatus(error).error_message()));
}

// Releases the model and the regions of shared memory, which may be withdrawn before the next request comes.
void InferProtocol::Forget() {
  model_.reset();
  plans_.clear();
}

grpc::Status InferProtocol::FinalStatus(const absl::Status& status) { return InferEndOf("ModelInfer", status); }

void InferStreamProtocol::Begin(const AsyncCall& call) {
  using Method = InferProtocol::Method;
  call_ = &call;
  method_ = AsksForEnd(call.context()) ? Method::kModelStreamInferUntilError : Method::kModelStreamInfer;
}

void InferStreamProtocol::End() {
  request_.reset();
  message_.Clear();
}

absl::StatusOr<StreamProtocol::Owed> InferStreamProtocol::Take() {
  request_.emplace(environment_, method_);
  absl::StatusOr<Owed> owed = Guarded([this] { return TakeRun(); });
  message_.Clear();
  if (owed.ok()) return owed;
  refusal_ = owed.status();
  return Owed{.response = true};
}

absl::StatusOr<StreamProtocol::Owed> InferStreamProtocol::TakeRun() {
  TENSORFERRY_ASSIGN_OR_RETURN(Intake intake, request_->Start(message_));
  HeldMessage held = HoldFor(intake, message_);
  return Owed{.run = std::make_unique<ModelStreamRun<InferProtocol>>(std::move(intake), std::move(held), *call_,
                                                                     *std::move(request_))};
}

EncodedResponse InferStreamProtocol::TakeResponse() {
  return request_->Refuse(std::exchange(refusal_, absl::OkStatus()));
}

grpc::Status InferStreamProtocol::FinalStatus(const absl::Status& status) const { return StreamStatus(status); }

}  // namespace tensorferry::rpc
