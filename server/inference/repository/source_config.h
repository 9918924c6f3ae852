// The configuration of a model in the repository.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "inference/model_config.h"
#include "inference/repository/model_source.h"

namespace tensorferry::inference {

// Reads the model's config.pbtxt, whose fields `overrides` replaces. Without either, or if `read` is null, the
// configuration is empty.
// Errors: MODEL_NOT_READY, with what is wrong.
absl::StatusOr<ModelConfig> ReadSourceConfig(const ModelSource& source, const std::string& overrides,
                                             const ConfigReader& read);

// Logs which fields and parameters of the configuration have no effect.
void LogIgnored(const std::string& model, const ModelConfig& config);

}  // namespace tensorferry::inference
