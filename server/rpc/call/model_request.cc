#include "rpc/call/model_request.h"

#include <chrono>
#include <exception>

#include "base/status.h"

namespace tensorferry::rpc {
namespace {

// gRPC's deadlines are of the system's clock, which may be set: what is left of them counts.
inference::Clock::time_point SteadyDeadline(const grpc::ServerContext& context) {
  const auto left = context.deadline() - std::chrono::system_clock::now();
  return left > std::chrono::hours(24 * 365) ? inference::Clock::time_point::max() : inference::Clock::now() + left;
}

}  // namespace

ModelRequest::ModelRequest(Intake call, HeldMessage message, const AsyncCall& caller)
    : call_(std::move(call)), message_(std::move(message)), caller_(caller) {
  for (Intake::Incoming& array : call_.arrays_) {
    inputs.push_back({std::move(array.name), std::move(array).TakeForModel(), std::move(array.strings)});
  }
  options = {.requested_outputs = std::move(call_.requested_outputs_),
             .return_data = call_.return_data_,
             .priority = call_.priority_,
             .timeout = call_.timeout_};
  deadline = SteadyDeadline(caller.context());
  finished.Start();
}

void ModelRequest::Submit(ServingQueue& queue) {
  using Submitted = inference::ModelVersion::Submitted;
  const std::shared_ptr<inference::ModelVersion> model = call_.model_;  // Completed, this may be gone.
  if (model->Submit(*this) == Submitted::kRunAtLeisure) {
    queue.WhenIdle([model] { return model->RunQueued(); });
  }
}

absl::StatusOr<Response> ModelRequest::TakeResponse() {
  call_.model_.reset();
  TENSORFERRY_RETURN_IF_ERROR(result.status());
  TENSORFERRY_RETURN_IF_ERROR(caller_.CheckCaller());
  TENSORFERRY_RETURN_IF_ERROR(call_.CheckRegions());
  return call_.ResponseOf(*std::move(result));
}

}  // namespace tensorferry::rpc
