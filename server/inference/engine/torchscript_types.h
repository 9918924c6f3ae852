// The types of TorchScript that arrays fill, and their values.
#pragma once

#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "inference/model_info.h"

namespace tensorferry::inference {

bool IsTensor(const c10::TypePtr& type);
bool IsStrings(const c10::TypePtr& type);     // List[str]
bool IsDictionary(const c10::TypePtr& type);  // Dict[str, Tensor]
bool IsTensors(const c10::TypePtr& type);     // List[Tensor]
bool IsTensorOrStrings(const c10::TypePtr& type);

// Tuples within tuples are taken apart down to this depth.
inline constexpr int kMaxTupleDepth = 32;

// Returns the name of the field, or the index.
std::string ElementName(const c10::TupleType& tuple, std::size_t index);

// Returns what an argument or value of this type is called and holds. `type` is a tensor or strings.
TensorSpec SpecOfType(std::string name, const c10::TypePtr& type);

// Checks what a configuration says of strings: a model takes and gives them as lists, which have one dimension and no
// batch. A dtype that is missing is filled in.
// Errors: MODEL_NOT_READY if one of the two is of strings and the other is not, and for strings in batches.
absl::Status SettleStrings(const TensorSpec& own, bool batched, TensorSpec& configured);

// Returns the error of strings in batches, or with another number of dimensions than one.
absl::Status BadStrings(const std::string& name);

}  // namespace tensorferry::inference
