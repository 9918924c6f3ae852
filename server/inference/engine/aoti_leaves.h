#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace tensorferry::inference {

// TensorLeaves say which leaves of one side of a package's call are tensors: the others, such as None, were fixed when
// it was compiled, and the package neither takes nor gives them.
struct TensorLeaves {
  std::vector<std::size_t> indices;  // In their order.
  // Whether they are known for certain. If not, it is how many and how far apart they are.
  bool certain = true;
};

// Finds out which leaves of a package's call it takes. Its generated `source` numbers what the program takes: weights,
// some of which the source may leave out, and behind them the leaves. If the source allows several answers, the one is
// taken that has all `wanted` leaves; else the first leaf is a tensor. Without a source all leaves are tensors.
// Errors: MODEL_NOT_READY if the source fits no answer.
absl::StatusOr<TensorLeaves> TensorInputs(std::string_view source, std::size_t leaves,
                                          const std::vector<std::size_t>& wanted);

// Finds out which leaves of its result a package gives. Without a source they are all leaves.
TensorLeaves TensorOutputs(std::string_view source, std::size_t leaves);

}  // namespace tensorferry::inference
