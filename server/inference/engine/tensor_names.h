// How the names of a configuration stand for a model's own inputs and outputs.
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

// Such as "OUTPUT__0".
std::string OutputName(std::size_t index);

// For each configured tensor its place among `own` names: by the own name; by the number in NAME__number; and where not
// every one of them has such a name, by the order of the configuration.
// Nothing: there is no place for one of them, or two have the same.
std::optional<std::vector<std::size_t>> PlacesOf(const std::vector<ConfiguredTensor>& configured,
                                                 std::span<const std::string> own);

// SpecOf gives a tensor as callers see it. `batched`: the batch comes first.
TensorSpec SpecOf(const ConfiguredTensor& tensor, bool batched);

}  // namespace tensorferry::inference
