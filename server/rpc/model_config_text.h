#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "inference/model_config.h"

namespace tensorferry::rpc {

// Read a config.pbtxt: the text form of inference.ModelConfig (proto/inference/model_config.proto). Fields that are set
// and that nothing here honours are listed in `ignored`; unknown ones, too.
// Errors: MODEL_NOT_READY, with line and column for what is no such text; for what contradicts itself; and for what
// cannot be served at all: ensembles, sequences, decoupled models, other backends.
absl::StatusOr<inference::ModelConfig> ReadModelConfig(std::string_view text);

}  // namespace tensorferry::rpc
