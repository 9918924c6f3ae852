#pragma once

#include <string>
#include <vector>

#include "inference/model_config.pb.h"

namespace tensorferry::rpc {

// The fields of a model's configuration that are set and that we do not honour, by their paths, each once:
// "optimization.graph.level".
std::vector<std::string> IgnoredFields(const ::inference::ModelConfig& config);

}  // namespace tensorferry::rpc
