#pragma once

#include <filesystem>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/model_config.h"
#include "inference/serving/served_model.h"
#include "inference/tensor/model.h"

namespace tensorferry::inference {

// Runs a model on the samples of its configuration, on each of its executors, so that what a run makes for the first
// time is made before the first request. Without samples it runs the model on zeros, if every dimension is known; their
// results and errors are ignored.
//
// `folder` holds the files of the samples; `root` is the folder below which they must be.
// Errors: MODEL_NOT_READY if a sample cannot be made, or the model fails on it.
absl::Status WarmUp(ServedModel& model, const ModelConfig& config, const std::filesystem::path& folder,
                    const std::filesystem::path& root);

}  // namespace tensorferry::inference
