// The forms of ModelInfer and ModelStreamInfer, as unary_serving.h and stream_serving.h serve them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rpc/call/incoming_message.h"
#include "rpc/call/intake.h"
#include "rpc/call/stream_run.h"
#include "rpc/oip/infer_decoder.h"
#include "rpc/oip/infer_error.h"
#include "rpc/oip/infer_request.h"
#include "rpc/oip/tracer.h"

namespace tensorferry::rpc {

struct InferEnvironment {
  const CallEnvironment& calls;
  Tracer& tracer;
};

using InferMessage = IncomingMessage<InferDecoder>;

// A request, taken in, and what is to be done with what it is answered with.
class InferTask {
 public:
  // Errors: those of InferDecoder::Decode, Translate and Intake::Start; MODEL_NOT_FOUND if no model is named.
  absl::StatusOr<Intake> Start(InferMessage& message, const InferEnvironment& environment);

  // Errors: those of ApplyPlans.
  absl::Status Finish(Response& answer, const InferEnvironment& environment);

  // The request has failed, or is answered: nothing of it is kept, its model above all.
  void LetGo() {
    model_.reset();
    plans_.clear();
  }

  // Of the last request that decoded.
  const std::string& id() const { return id_; }

 private:
  std::string id_;
  RequestView request_;
  std::vector<OutputPlan> plans_;
  std::shared_ptr<inference::ModelVersion> model_;  // Only where there are plans.
};

class InferForm {
 public:
  using Message = InferMessage;

  explicit InferForm(const InferEnvironment& environment) : environment_(environment) {}

  absl::StatusOr<Intake> Start(Message& message) { return task_.Start(message, environment_); }
  absl::StatusOr<grpc::ByteBuffer> Encode(Response& answer, WireWriter& writer);
  void LetGo() { task_.LetGo(); }
  static grpc::Status EndOf(const absl::Status& status) { return InferEndOf("ModelInfer", status); }

 private:
  const InferEnvironment& environment_;
  InferTask task_;
};

class InferStreamForm {
 public:
  using Message = InferMessage;
  static grpc::Status EndOf(const absl::Status& status) { return InferEndOf("ModelStreamInfer", status); }

  InferStreamForm(const InferEnvironment& environment, AsyncCall& caller);

  absl::Status Take(Message& message);
  bool owes_response() const { return call_ || !refusal_.ok(); }
  bool runs_model() const { return call_.has_value(); }
  std::unique_ptr<StreamRun> TakeRun(Message& message);
  EncodedResponse TakeReply();
  absl::Status OnEnd() const { return absl::OkStatus(); }

 private:
  const InferEnvironment& environment_;
  const AsyncCall& caller_;
  const bool ends_with_error_;  // Whether the first error ends the stream.
  std::optional<InferTask> task_;
  std::optional<Intake> call_;
  absl::Status refusal_;
};

}  // namespace tensorferry::rpc
