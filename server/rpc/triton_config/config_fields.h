#pragma once

#include <string>
#include <vector>

#include "rpc/triton_config/triton_proto.h"

namespace tensorferry::rpc {

// The fields of a model's configuration that are set and that we do not honour, by their paths, each once:
// "optimization.graph.level".
std::vector<std::string> IgnoredFields(const triton::ModelConfig& config);

}  // namespace tensorferry::rpc
