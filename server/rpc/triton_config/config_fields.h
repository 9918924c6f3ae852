#pragma once

#include <string>
#include <vector>

#include "rpc/triton_config/triton_proto.h"

namespace tensorferry::rpc {

// Returns the fields of a model's configuration that are set and have no effect here, each once, by its path:
// "optimization.graph.level".
std::vector<std::string> IgnoredFields(const triton::ModelConfig& config);

}  // namespace tensorferry::rpc
