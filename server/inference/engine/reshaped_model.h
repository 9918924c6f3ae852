#pragma once

#include <memory>

#include "absl/status/status.h"
#include "inference/model_config.h"
#include "inference/tensor/model.h"

namespace tensorferry::inference {

// Checks that each `reshape` can have as many elements as its `dims`. Where two or more dimensions may have any size, both
// must have as many of them, and as many elements before, between and after them.
// Errors: MODEL_NOT_READY, with the tensor and both shapes.
absl::Status CheckReshapes(const ModelConfig& config);

// Returns the configuration with the shapes that the model itself takes and gives.
ModelConfig AsTheModelSeesIt(ModelConfig config);

// Wraps a model whose configuration shows callers other shapes than the model takes and gives itself (`reshape`).
// Without such shapes it returns the model as it is.
std::shared_ptr<Model> WithReshapes(std::shared_ptr<Model> model, const ModelConfig& config);

}  // namespace tensorferry::inference
