#pragma once

#include <memory>

#include "inference/model_config.h"
#include "inference/tensor/model.h"

namespace tensorferry::inference {

// Returns the configuration with the shapes that the model itself takes and gives.
ModelConfig AsTheModelSeesIt(ModelConfig config);

// Wraps a model whose configuration shows callers other shapes than the model takes and gives itself (`reshape`).
// Without such shapes it returns the model as it is.
std::shared_ptr<Model> WithReshapes(std::shared_ptr<Model> model, const ModelConfig& config);

}  // namespace tensorferry::inference
