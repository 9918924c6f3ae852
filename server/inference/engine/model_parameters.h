#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/model_config.h"

namespace tensorferry::inference {

// What the `parameters` of a configuration ask for. Their names are those of Triton's PyTorch backend, and FREEZE.
struct ModelParameters {
  bool optimized_execution = true;  // DISABLE_OPTIMIZED_EXECUTION
  bool inference_mode = true;       // INFERENCE_MODE
  bool freeze = false;              // FREEZE: TorchScript only. Changes bits.
  bool share_weights = false;       // ENABLE_WEIGHT_SHARING: also of a model that its runs change. TorchScript only.
  int intra_op_threads = 0;         // INTRA_OP_THREAD_COUNT; 0: the server's.
};

// Errors: MODEL_NOT_READY for a value that makes no sense.
absl::StatusOr<ModelParameters> ReadParameters(const ModelConfig& config);

// The parameters that are set and mean nothing to a compiled package, by name.
std::vector<std::string> ParametersOfTorchScript(const ModelConfig& config);

// The parameters that are set and that we do not honour, by name.
std::vector<std::string> IgnoredParameters(const ModelConfig& config);

}  // namespace tensorferry::inference
