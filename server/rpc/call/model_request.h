#pragma once

#include <utility>

#include "absl/status/statusor.h"
#include "inference/model_run.h"
#include "rpc/call/incoming_message.h"
#include "rpc/call/intake.h"
#include "rpc/serve/async_call.h"
#include "rpc/serve/serving_queue.h"

namespace tensorferry::rpc {

// A request that a model runs, from its arrays to its response.
//
//   model_request.Submit(queue);
//   co_await model_request.finished;
//   … model_request.TakeResponse() …
//
// Lifetime: borrows `caller`, the call that it came in.
class ModelRequest : public inference::ModelRun {
 public:
  // `call`: complete, and runs a model. `message`: what its elements are still in, if it needs that.
  ModelRequest(Intake call, HeldMessage message, const AsyncCall& caller);
  ModelRequest(const ModelRequest&) = delete;
  ModelRequest& operator=(const ModelRequest&) = delete;

  // Called once. The model may run at once, on this thread; else `queue` is where what is short runs.
  void Submit(ServingQueue& queue);

  Operation finished;

  const std::string& request_id() const { return call_.request_id_; }

  // Once finished.
  // Errors: those of ModelVersion::Submit; DEADLINE, CANCELLED.
  absl::StatusOr<Response> TakeResponse();

  absl::Status CheckCaller() const override { return caller_.CheckCaller(); }
  void InputsTaken() override { message_ = {}; }
  void Complete() override { finished.Complete(true); }

 private:
  Intake call_;
  HeldMessage message_;
  const AsyncCall& caller_;
};

}  // namespace tensorferry::rpc
