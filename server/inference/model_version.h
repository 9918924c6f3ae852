// A model version that serves, as rpc/ uses it. Free of torch.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "inference/model_config.h"
#include "inference/model_info.h"
#include "inference/model_run.h"
#include "inference/model_statistics.h"
#include "payload/shape.h"

namespace tensorferry::inference {

// InputDeclaration is what a request says of one input, before any element of the input was copied. Borrows the
// request.
struct InputDeclaration {
  std::string_view name;
  std::string_view dtype;  // Torch's name, or kStrings.
  const Shape& shape;
};

// ModelVersion is one version of one model. The version stays loaded while a shared_ptr to it exists.
// Threads: any.
class ModelVersion {
 public:
  virtual ~ModelVersion() = default;

  virtual const ModelInfo& info() const = 0;
  virtual const ModelConfig& config() const = 0;
  virtual ModelStatistics statistics() const = 0;

  // Returns whether requests may run together. If so, the elements of arrays in C order should stay in their message
  // until the model takes them.
  virtual bool batches() const = 0;

  // Returns whether the model gives back its inputs, and computes nothing.
  virtual bool passes_on() const = 0;

  // Checks the inputs and the names of the outputs of a request.
  // Errors: INPUT_MISMATCH for names, dtypes or shapes that the model does not take; UNKNOWN_OUTPUT.
  virtual absl::Status Check(std::span<const InputDeclaration> inputs,
                             std::span<const std::string> requested_outputs) const = 0;

  enum class Submitted : std::uint8_t {
    kTaken,  // The run was completed, or will be without further calls.
    // Call RunQueued on this thread once it is idle: requests that come until then run together with this one.
    kRunWhenIdle
  };

  // Runs the model on inputs that Check has accepted. The result and its errors are in run.result. If run.may_run_here
  // is false, Submit returns kTaken, and models that compute something run on threads of their own.
  // Errors: QUEUE_FULL, DEADLINE, CANCELLED; BOOL_RANGE; OPERATOR_UNSUPPORTED, MODEL_FAILED; TENSOR_TOO_LARGE for an
  //         output; MEMORY_BUDGET.
  [[nodiscard]] virtual Submitted Submit(ModelRun& run) = 0;

  // Runs what is queued. Returns true if it must be called again once this thread is idle.
  [[nodiscard]] virtual bool RunQueued() = 0;
};

}  // namespace tensorferry::inference
