#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "inference/model_run.h"
#include "rpc/call/incoming_message.h"
#include "rpc/call/intake.h"
#include "rpc/serve/async_call.h"

namespace tensorferry::rpc {

// Takes from `message` what `intake` still needs of it, and gives the rest of the message's memory back.
// `Message` is an IncomingMessage.
template <typename Message>
HeldMessage HoldFor(const Intake& intake, Message& message) {
  if (intake.needs_message()) return message.Hold();
  message.Clear();
  return {};
}

// ModelRequest is a request that a model runs, from its arrays to its response.
//
//   model_request.Submit();
//   co_await model_request.finished;
//   … model_request.TakeResponse() …
//
// Lifetime: borrows `caller`, the call in which the request came.
class ModelRequest : public inference::ModelRun {
 public:
  // `intake` is complete, and runs a model. `message` comes from HoldFor.
  ModelRequest(Intake intake, HeldMessage message, const AsyncCall& caller);
  ModelRequest(const ModelRequest&) = delete;
  ModelRequest& operator=(const ModelRequest&) = delete;

  // Hands the run to the model. Called once. On a thread of a ServingQueue the model may run at once, and a short run
  // may also wait until that queue is idle. On any other thread, which a call may have moved to, no model runs, unless it is
  // Relieved.
  void Submit();

  // Complete once the model has run.
  Operation finished;

  // Returns the response; its request_id is empty. Called once, after `finished` is complete.
  // Errors: those of ModelVersion::Submit; DEADLINE, CANCELLED.
  absl::StatusOr<Response> TakeResponse();

  absl::Status CheckCaller() const override { return caller_.CheckCaller(); }
  const MemoryPeer* peer() const override { return &caller_; }
  void InputsTaken() override { message_ = {}; }
  void Complete() override { finished.Complete(true); }

 private:
  Intake intake_;
  std::shared_ptr<inference::ModelVersion> model_;  // Null once the response was taken.
  HeldMessage message_;
  const AsyncCall& caller_;
};

}  // namespace tensorferry::rpc
