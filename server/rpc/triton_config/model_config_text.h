#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "inference/model_config.h"
#include "inference/model_info.h"
#include "rpc/triton_config/triton_proto.h"

namespace tensorferry::rpc {

// Read a config.pbtxt: the text form of inference.ModelConfig (proto/inference/model_config.proto). Fields that are set
// and that nothing here honours are listed in `ignored`; unknown ones, too. `overrides`: the JSON form; its fields
// replace those of the text; empty: there are none.
// Errors: MODEL_NOT_READY, with line and column for what is no such text; for what contradicts itself; and for what
// cannot be served at all: ensembles, sequences, decoupled models, other backends.
absl::StatusOr<inference::ModelConfig> ReadModelConfig(std::string_view text, std::string_view overrides = "");

// The platform in Triton's words.
std::string_view TritonPlatformOf(const inference::ModelInfo& model);

// The configuration as it applies to a loaded model: completed with what the model says of itself.
triton::ModelConfig ToProto(const inference::ModelInfo& model, const inference::ModelConfig& config);

}  // namespace tensorferry::rpc
