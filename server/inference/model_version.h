// A model version that serves, as rpc/ sees it. Free of torch.
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

// What a request says of one input, before any element of it was copied. Borrows the request.
struct InputDeclaration {
  std::string_view name;
  std::string_view dtype;  // Torch's name; or kStrings.
  const Shape& shape;
};

// One version of one model. Holding it keeps it loaded.
// Threads: any.
class ModelVersion {
 public:
  virtual ~ModelVersion() = default;

  virtual const ModelInfo& info() const = 0;
  virtual const ModelConfig& config() const = 0;
  virtual ModelStatistics statistics() const = 0;

  // Whether requests may run together: then the elements of arrays in C order had better wait in their message.
  virtual bool batches() const = 0;

  // Whether it gives back what it takes, and computes nothing.
  virtual bool passes_on() const = 0;

  // Errors: INPUT_MISMATCH for names, dtypes or shapes that the model does not take, UNKNOWN_OUTPUT.
  virtual absl::Status Check(std::span<const InputDeclaration> inputs,
                             std::span<const std::string> requested_outputs) const = 0;

  enum class Submitted : std::uint8_t {
    kTaken,       // The run is, or will be, completed.
    kRunWhenIdle  // Call RunQueued on this thread as soon as it has nothing else to do: what comes until then joins.
  };

  // Run the model on checked inputs.
  // Errors, in run.result: QUEUE_FULL, DEADLINE, CANCELLED; BOOL_RANGE; OPERATOR_UNSUPPORTED, MODEL_FAILED;
  // TENSOR_TOO_LARGE for an output; MEMORY_BUDGET.
  [[nodiscard]] virtual Submitted Submit(ModelRun& run) = 0;

  // Run what is queued. True: to be called again, when this thread has nothing else to do.
  [[nodiscard]] virtual bool RunQueued() = 0;
};

}  // namespace tensorferry::inference
