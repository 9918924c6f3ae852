// Names: which of a model's own inputs and outputs the names of a configuration stand for.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "inference/model_config.h"
#include "inference/model_info.h"

namespace tensorferry::inference {

// Returns the name of an output that has none: "OUTPUT__0".
std::string OutputName(std::size_t index);

// Returns for each configured tensor its place among the model's `own` names. A tensor has the own name or a name such
// as NAME__number; if any of them has neither, the order of the configuration counts.
// Returns nothing if a tensor has no place, or if two have the same place.
std::optional<std::vector<std::size_t>> PlacesOf(const std::vector<ConfiguredTensor>& configured,
                                                 std::span<const std::string> own);

// Returns the tensor as callers see it. If `batched`, the first dimension is that of the batch.
TensorSpec SpecOf(const ConfiguredTensor& tensor, bool batched);

}  // namespace tensorferry::inference
