#pragma once

#include <functional>
#include <future>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/memory_peer.h"
#include "inference/model_version.h"
#include "testing/payloads.h"

namespace tensorferry {

// TestRun is a request for a model that can be waited for.
class TestRun final : public inference::ModelRun {
 public:
  explicit TestRun(Few<inference::NamedArray> arrays = {}, inference::RunOptions run_options = {}) {
    options = std::move(run_options);
    for (inference::NamedArray& array : arrays) inputs.push_back({std::move(array.name), std::move(array.payload)});
  }

  // CheckCaller returns its result: an error if the caller no longer waits.
  std::function<absl::Status()> caller = [] { return absl::OkStatus(); };
  // Whose run it is. Null: nobody's in particular.
  const MemoryPeer* caller_peer = nullptr;
  // Called when the run is complete.
  std::function<void()> completed = [] {};

  absl::Status CheckCaller() const override { return caller(); }
  const MemoryPeer* peer() const override { return caller_peer; }
  void InputsTaken() override { inputs_taken = true; }
  void Complete() override {
    completed();
    complete_.set_value();
  }

  bool inputs_taken = false;

  bool IsComplete() const { return done_.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }

  const absl::StatusOr<inference::PipelineResponse>& Wait() {
    done_.wait();
    return result;
  }

 private:
  std::promise<void> complete_;
  const std::shared_future<void> done_ = complete_.get_future().share();
};

// SubmitChecked does what a caller's thread does for a run: it checks, submits, and does what else it is told to.
inline absl::Status SubmitChecked(inference::ModelVersion& model, TestRun& run) {
  std::vector<inference::InputDeclaration> declarations;
  for (const inference::ModelInput& input : run.inputs) {
    const std::string_view dtype = input.strings ? inference::kStrings : Info(input.header().dtype()).name;
    declarations.push_back({input.name, dtype, input.shape()});
  }
  if (absl::Status status = model.Check(declarations, run.options.requested_outputs); !status.ok()) return status;
  if (model.Submit(run) == inference::ModelVersion::Submitted::kRunWhenIdle) {
    while (model.RunQueued()) continue;
  }
  return absl::OkStatus();
}

// RunOn runs a model on arrays, and waits for the end.
inline absl::StatusOr<inference::PipelineResponse> RunOn(inference::ModelVersion& model,
                                                         Few<inference::NamedArray> arrays,
                                                         inference::RunOptions options = {}) {
  TestRun run(std::move(arrays), std::move(options));
  if (absl::Status status = SubmitChecked(model, run); !status.ok()) return status;
  return run.Wait();
}

}  // namespace tensorferry
