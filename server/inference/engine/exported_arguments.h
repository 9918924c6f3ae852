#pragma once

#include <ATen/core/function_schema.h>
#include <c10/core/Device.h>

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "inference/engine/exported_block.h"

namespace tensorferry::inference {

// ExportedValues are the values that a graph has defined so far, by name.
class ExportedValues {
 public:
  struct Defined {
    Slot slot;
    ValueKind kind;
  };

  // Defines a value. Errors: MODEL_NOT_READY if there is one of this name.
  absl::StatusOr<Slot> Define(const std::string& name, ValueKind kind);

  // Errors: MODEL_NOT_READY if there is no value of this name.
  absl::StatusOr<Defined> Find(const std::string& name) const;

  std::size_t size() const { return by_name_.size(); }

 private:
  std::map<std::string, Defined> by_name_;
};

// Makes the argument that an operator takes for `wanted` from what the graph gives. `values` are those that the graph
// has defined before. Every device becomes `device`.
// Errors: MODEL_NOT_READY if the operator cannot take it.
absl::StatusOr<BlockArgument> BindArgument(const ExportedArgument& given, const c10::Argument& wanted,
                                           const ExportedValues& values, at::Device device);

// Makes an argument of a function without a schema: whatever the graph gives, but no list and no graph.
absl::StatusOr<BlockArgument> BindFree(const ExportedValue& given, const ExportedValues& values);

// Returns the kind of the values that the JSON calls so: "as_sym_int" and "as_tensors". Nothing for others.
std::optional<ValueKind> KindOf(const std::string& kind);

}  // namespace tensorferry::inference
