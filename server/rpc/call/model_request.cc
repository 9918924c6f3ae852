#include "rpc/call/model_request.h"

#include <chrono>
#include <utility>

#include "base/relieved.h"
#include "base/status.h"
#include "rpc/serve/serving_queue.h"

namespace tensorferry::rpc {
namespace {

// Returns a call's deadline on the steady clock. Callers' deadlines are on the system's clock, which may be set at any
// time, so the time that is left now is added to the steady clock.
inference::Clock::time_point SteadyDeadline(const AsyncCall& call) {
  const auto left = call.Deadline() - std::chrono::system_clock::now();
  return left > std::chrono::hours(24 * 365) ? inference::Clock::time_point::max() : inference::Clock::now() + left;
}

}  // namespace

ModelRequest::ModelRequest(Intake intake, HeldMessage message, const AsyncCall& caller)
    : intake_(std::move(intake)), message_(std::move(message)), caller_(caller) {
  Intake::ForModel needed = intake_.TakeForModel();
  model_ = std::move(needed.model);
  inputs = std::move(needed.inputs);
  options = std::move(needed.options);
  deadline = SteadyDeadline(caller);
  finished.Start();
}

void ModelRequest::Submit() {
  using Submitted = inference::ModelVersion::Submitted;
  const std::shared_ptr<inference::ModelVersion> model = model_;  // This object may be gone once the run is complete.
  ServingQueue* const here = ServingQueue::Current();
  may_run_here = here != nullptr || Relieved::Here();
  tells_idle = here != nullptr;
  if (model->Submit(*this) == Submitted::kRunWhenIdle) {
    here->WhenIdle([model] { return model->RunQueued(); });
  }
}

absl::StatusOr<Response> ModelRequest::TakeResponse() {
  model_.reset();
  TENSORFERRY_RETURN_IF_ERROR(result.status());
  TENSORFERRY_RETURN_IF_ERROR(caller_.CheckCaller());
  return intake_.Respond(*std::move(result));
}

}  // namespace tensorferry::rpc
