#include "rpc/native/convert_protocol.h"

#include <memory>
#include <utility>

#include "base/status.h"
#include "rpc/call/model_request.h"
#include "rpc/call/protocol.h"
#include "rpc/call/record.h"
#include "rpc/call/request_check.h"
#include "rpc/call/stream_run.h"
#include "rpc/native/reply.h"
#include "rpc/serve/error.h"
#include "rpc/serve/guarded.h"
#include "rpc/serve/method.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::rpc {

static_assert(RequestProtocol<ConvertProtocol>);
static_assert(ResponseProtocol<StreamedConvert>);

absl::StatusOr<Intake> ConvertProtocol::Start(Message& message, Admission& admission) {
  request_id_.clear();
  const PoolFor pool(environment_.pool, &admission.caller());
  TENSORFERRY_RETURN_IF_ERROR(message.Decode(&pool));
  const RequestView& request = message.decoded().request();
  request_id_ = IdToRepeat(request.request_id);
  auto intake = Intake::Start(request, {.parsed = message.decoded().parsed()}, environment_, &admission.caller());
  RecordModel(intake, {request.model_name, request.model_version}, admission.record());
  TENSORFERRY_RETURN_IF_ERROR(intake.status());
  TENSORFERRY_ASSIGN_OR_RETURN(output_, OutputPlaceOf(request, {environment_.regions, environment_.sealed}));
  return intake;
}

absl::StatusOr<EncodedResponse> ConvertProtocol::Encode(Response& response, WireWriter& writer) {
  response.request_id = request_id_;
  const std::optional<OutputPlace> output = std::exchange(output_, std::nullopt);
  if (output) TENSORFERRY_RETURN_IF_ERROR(WriteWhatFits(*output, response));
  TENSORFERRY_ASSIGN_OR_RETURN(OutgoingMessage message,
                               EncodeResponse(response, environment_.max_message_bytes, writer));
  return EncodedResponse(std::move(message));
}

EncodedResponse ConvertProtocol::Refuse(const absl::Status& error) {
  output_.reset();
  return EncodedResponse::End(error);
}

const google::protobuf::MethodDescriptor& ConvertProtocol::Method() {
  static const google::protobuf::MethodDescriptor& method =
      FindMethod(*v1::ConvertRequest::descriptor(), *v1::ConvertResponse::descriptor(), Streams::kNone);
  return method;
}

void ConvertStreamProtocol::Begin(AsyncCall& call) {
  call_ = &call;
  session_.emplace(environment_, call);
}

void ConvertStreamProtocol::End() {
  session_.reset();
  message_.Clear();
}

absl::StatusOr<StreamProtocol::Owed> ConvertStreamProtocol::Take() {
  absl::StatusOr<Owed> owed = Guarded([this] { return TakeDecoded(); });
  if (!owed.ok() || !owed->unfinished) message_.Clear();
  return owed;
}

absl::StatusOr<StreamProtocol::Owed> ConvertStreamProtocol::GoOn() {
  session_->GoOn(message_.decoded().request());
  absl::StatusOr<Owed> owed = Guarded([this] { return WhatIsOwed(); });
  message_.Clear();
  return owed;
}

absl::StatusOr<StreamProtocol::Owed> ConvertStreamProtocol::TakeDecoded() {
  const PoolFor pool(environment_.pool, call_);
  TENSORFERRY_RETURN_IF_ERROR(message_.Decode(&pool));
  TENSORFERRY_RETURN_IF_ERROR(session_->OnMessage(message_.decoded(), message_.bytes.Length()));
  if (session_->is_long()) return Owed{.unfinished = true};
  return WhatIsOwed();
}

absl::StatusOr<StreamProtocol::Owed> ConvertStreamProtocol::WhatIsOwed() {
  if (!session_->owes_response()) return Owed();
  if (!session_->runs_model()) return Owed{.response = true};
  Intake intake = session_->TakeIntake();
  Admission admission = session_->TakeAdmission();
  HeldMessage held = HoldFor(intake, message_);
  return Owed{.run = std::make_unique<ModelStreamRun<StreamedConvert>>(std::move(intake), std::move(held),
                                                                       std::move(admission), session_->TakeRequest())};
}

grpc::Status ConvertStreamProtocol::FinalStatus(const absl::Status& status) const {
  return rpc::FinalStatus("ConvertStream", status);
}

}  // namespace tensorferry::rpc
