// Names: which of a model's own inputs and outputs the names of a configuration stand for.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/model_config.h"
#include "inference/model_info.h"

namespace tensorferry::inference {

// Returns the name of an output that has none: "OUTPUT__0".
std::string OutputName(std::size_t index);

// OwnTensor is an input or output as the model itself calls it.
struct OwnTensor {
  std::string name;
  std::size_t place;  // A configuration may call it by this number: NAME__place.
};

// OwnTensors are all inputs or all outputs of a model, in its order.
struct OwnTensors {
  std::string_view kind;  // "input" or "output".
  std::vector<OwnTensor> tensors;
  // There may be more of them than are known; these have the places that follow.
  bool open_ended = false;
  // Each name must say by itself which tensor it means, unless none does.
  bool strict = false;
};

struct Naming {
  std::vector<std::size_t> indices;  // For each configured tensor its index among the model's own.
  std::string warning;               // What is done against the words of the configuration; empty: nothing is.
};

// Finds out which of the model's own tensors are meant. A name is an own name or ends in "__" and a place; if any is
// neither, the order of the configuration counts.
// Errors: MODEL_NOT_READY, with the names at fault, if a tensor has no place, or if two have the same.
absl::StatusOr<Naming> FindOwnTensors(const std::vector<ConfiguredTensor>& configured, const OwnTensors& own);

// Returns the own tensors that have these names, and their indices as places.
OwnTensors OwnTensorsOf(std::string_view kind, const std::vector<TensorSpec>& specs);

// Returns the tensor as callers see it. If `batched`, the first dimension is that of the batch.
TensorSpec SpecOf(const ConfiguredTensor& tensor, bool batched);

}  // namespace tensorferry::inference
