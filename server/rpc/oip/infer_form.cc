#include "rpc/oip/infer_form.h"

#include <utility>

#include "base/status.h"
#include "rpc/call/unary_serving.h"
#include "rpc/oip/infer_reply.h"
#include "rpc/serve/guarded.h"

namespace tensorferry::rpc {
namespace {

// Metadata of the call.
constexpr char kEndsWithError[] = "triton_grpc_error";

bool AsksForEnd(const grpc::ServerContext& context) {
  const auto found = context.client_metadata().find(kEndsWithError);
  return found != context.client_metadata().end() && found->second == "true";
}

EncodedResponse Refuse(const std::string& id, const absl::Status& error, bool ends_with_error) {
  if (ends_with_error) return EncodedResponse::End(error);
  return EncodedResponse(EncodeStreamInferError(id, InferStreamForm::EndOf(error).error_message()));
}

class InferRun final : public StreamRun {
 public:
  InferRun(Intake call, HeldMessage message, const AsyncCall& caller, InferTask task,
           const InferEnvironment& environment, bool ends_with_error)
      : StreamRun(std::move(call), std::move(message), caller),
        task_(std::move(task)),
        environment_(environment),
        ends_with_error_(ends_with_error) {}

  EncodedResponse TakeReply(WireWriter& writer) override {
    auto reply = Guarded([&]() -> absl::StatusOr<EncodedResponse> {
      TENSORFERRY_ASSIGN_OR_RETURN(Response answer, TakeResponse());
      TENSORFERRY_RETURN_IF_ERROR(task_.Finish(answer, environment_));
      TENSORFERRY_ASSIGN_OR_RETURN(grpc::ByteBuffer message,
                                   EncodeStreamInferResponse(answer, environment_.calls.max_message_bytes, writer));
      EncodedResponse encoded(std::move(message));
      encoded.Keep(std::move(answer.pass));
      return encoded;
    });
    return reply.ok() ? *std::move(reply) : Refuse(request_id(), reply.status(), ends_with_error_);
  }

 private:
  InferTask task_;
  const InferEnvironment& environment_;
  const bool ends_with_error_;
};

}  // namespace

absl::StatusOr<Intake> InferTask::Start(InferMessage& message, const InferEnvironment& environment) {
  id_.clear();
  TENSORFERRY_RETURN_IF_ERROR(message.Decode());
  const InferRequestView& view = message.decoded().request();
  id_ = view.id;
  if (view.model_name.empty()) {
    return MakeError(Reason::kModelNotFound, "'' is not found", {.field = "model_name", .expected = "a model's name"});
  }
  TENSORFERRY_RETURN_IF_ERROR(Translate(view, environment.calls.regions, message.decoder().parsed(), request_, plans_));
  auto call = Intake::Start(request_, Intake::Chunks::kRefused, environment.calls);
  if (call.ok() && !plans_.empty()) model_ = call->model();
  return call;
}

absl::Status InferTask::Finish(Response& answer, const InferEnvironment& environment) {
  if (!plans_.empty()) {
    const auto model = std::exchange(model_, nullptr);
    TENSORFERRY_RETURN_IF_ERROR(ApplyPlans(plans_, model->info(), answer.result));
  }
  environment.tracer.Record(answer);
  return absl::OkStatus();
}

absl::StatusOr<grpc::ByteBuffer> InferForm::Encode(Response& answer, WireWriter& writer) {
  TENSORFERRY_RETURN_IF_ERROR(task_.Finish(answer, environment_));
  return EncodeInferResponse(answer, environment_.calls.max_message_bytes, writer);
}

InferStreamForm::InferStreamForm(const InferEnvironment& environment, AsyncCall& caller)
    : environment_(environment), caller_(caller), ends_with_error_(AsksForEnd(caller.context())) {}

absl::Status InferStreamForm::Take(Message& message) {
  call_.reset();
  task_.emplace();
  auto call = Guarded([&] { return task_->Start(message, environment_); });
  if (call.ok()) {
    call_.emplace(*std::move(call));
  } else {
    refusal_ = call.status();
  }
  return absl::OkStatus();
}

std::unique_ptr<StreamRun> InferStreamForm::TakeRun(Message& message) {
  HeldMessage held = HoldFor(*call_, message);
  Intake call = *std::exchange(call_, std::nullopt);
  return std::make_unique<InferRun>(std::move(call), std::move(held), caller_, *std::exchange(task_, std::nullopt),
                                    environment_, ends_with_error_);
}

EncodedResponse InferStreamForm::TakeReply() {
  return Refuse(task_->id(), std::exchange(refusal_, absl::OkStatus()), ends_with_error_);
}

}  // namespace tensorferry::rpc
