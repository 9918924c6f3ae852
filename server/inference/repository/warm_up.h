#pragma once

#include <filesystem>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/model_config.h"
#include "inference/serving/served_model.h"
#include "inference/tensor/model.h"

namespace tensorferry::inference {

// WarmUpFiles say where the files of samples are.
struct WarmUpFiles {
  std::filesystem::path folder;  // Empty: there are none.
  std::filesystem::path root;    // The folder below which they must be.
};

// Runs a model on the samples of its configuration, on each of its executors, so that what a run makes for the first
// time is made before the first request. Without samples it runs the model on zeros, if every dimension is known; their
// results and errors are ignored. Operators run on `intra_op_threads` threads, as they do for callers.
//
// Errors: MODEL_NOT_READY if a sample cannot be made, or the model fails on it.
absl::Status WarmUp(ServedModel& model, const ModelConfig& config, const WarmUpFiles& files, int intra_op_threads);

}  // namespace tensorferry::inference
