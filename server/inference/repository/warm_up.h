#pragma once

#include <filesystem>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/model_config.h"
#include "inference/serving/served_model.h"
#include "inference/tensor/model.h"

namespace tensorferry::inference {

// Run a model on the samples of its configuration, on each of its executors, before the first request: what is made for
// the first time is made then. Without samples, where every dimension is known, on zeros; what comes of these counts
// for nothing.
//
// `folder`: of the samples' files; `root`: where they must be.
// Errors: MODEL_NOT_READY if a sample cannot be made, or the model fails on it.
absl::Status WarmUp(ServedModel& model, const ModelConfig& config, const std::filesystem::path& folder,
                    const std::filesystem::path& root);

}  // namespace tensorferry::inference
