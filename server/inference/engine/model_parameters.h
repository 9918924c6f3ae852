#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/model_config.h"
#include "inference/repository_settings.h"

namespace tensorferry::inference {

// ModelParameters are the `parameters` of a configuration. Their names are those of Triton's PyTorch backend, and
// FREEZE and isolation.
struct ModelParameters {
  bool optimized_execution = true;  // DISABLE_OPTIMIZED_EXECUTION
  bool inference_mode = true;       // INFERENCE_MODE
  bool freeze = false;              // FREEZE: for TorchScript only. It changes bits of the results.
  // ENABLE_WEIGHT_SHARING: executors share even a module that its runs change. For TorchScript only.
  bool share_weights = false;
  int intra_op_threads = 0;            // INTRA_OP_THREAD_COUNT; 0: the server's setting.
  std::optional<Isolation> isolation;  // isolation; nothing: the server's setting.
};

// Errors: MODEL_NOT_READY for a value that makes no sense.
absl::StatusOr<ModelParameters> ReadParameters(const ModelConfig& config);

// Returns the names of the parameters that are set but mean nothing to a compiled package.
std::vector<std::string> ParametersOfTorchScript(const ModelConfig& config);

// Returns the names of the parameters that are set and have no effect here.
std::vector<std::string> IgnoredParameters(const ModelConfig& config);

}  // namespace tensorferry::inference
