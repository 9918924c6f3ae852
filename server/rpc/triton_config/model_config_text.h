#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "inference/model_config.h"
#include "inference/model_info.h"
#include "rpc/triton_config/triton_proto.h"

namespace tensorferry::rpc {

// Reads a config.pbtxt: the text form of inference.ModelConfig (proto/inference/model_config.proto). The result's
// `ignored` lists fields that are set and have no effect here. `overrides` is a configuration in JSON, whose fields
// replace those of the text, or empty.
// Errors: MODEL_NOT_READY for text that does not parse, unknown fields among it, with line and column; for
//         contradictions; for a configuration that this server cannot serve: ensembles, sequences, decoupled models,
//         other backends, and other fields that would change what a model is (config_fields.cc).
absl::StatusOr<inference::ModelConfig> ReadModelConfig(std::string_view text, std::string_view overrides = "");

// Returns Triton's name of the model's platform.
std::string_view TritonPlatformOf(const inference::ModelInfo& model);

// Returns the configuration of a loaded model, completed with what the model says of itself.
triton::ModelConfig ToProto(const inference::ModelInfo& model, const inference::ModelConfig& config);

}  // namespace tensorferry::rpc
