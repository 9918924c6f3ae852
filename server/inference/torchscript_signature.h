#pragma once

#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/model.h"

namespace tensorferry::inference {

// How named tensors become the arguments of a TorchScript `forward`, and its value becomes named tensors.
class TorchScriptSignature {
 public:
  // `forward`: the schema of the method, `self` first.
  // Errors: MODEL_NOT_READY for an argument that no array can fill, or a value that is not made of tensors.
  static absl::StatusOr<TorchScriptSignature> Make(const c10::FunctionSchema& forward);

  const std::vector<TensorSpec>& inputs() const { return inputs_; }
  const std::vector<TensorSpec>& outputs() const { return outputs_; }  // Empty: known only from the value.

  // Errors: INPUT_MISMATCH for a name that is missing.
  absl::StatusOr<std::vector<c10::IValue>> Arguments(std::vector<NamedTensor> inputs) const;

  // Errors: MODEL_FAILED if the value is not made of tensors.
  absl::StatusOr<std::vector<NamedTensor>> Outputs(const c10::IValue& value) const;

 private:
  std::vector<c10::Argument> arguments_;  // Without `self`.
  std::vector<TensorSpec> inputs_;
  std::vector<TensorSpec> outputs_;
};

}  // namespace tensorferry::inference
