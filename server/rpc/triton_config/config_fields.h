#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "rpc/triton_config/triton_proto.h"

namespace tensorferry::rpc {

// Returns the fields of a model's configuration that are set and have no effect here, each once, by its path:
// "optimization.graph.level". Messages that say nothing are left out.
// Errors: MODEL_NOT_READY for a field that would change shapes, batches, what runs or who checked it.
absl::StatusOr<std::vector<std::string>> IgnoredFields(const triton::ModelConfig& config);

// Returns an error of protobuf's text parser in our words. For a field that the format does not have it names the field
// that may be meant.
std::string ExplainParserError(const std::string& message);

}  // namespace tensorferry::rpc
