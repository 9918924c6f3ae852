#pragma once

#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>

#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/engine/torchscript_types.h"
#include "inference/model_config.h"
#include "inference/tensor/model.h"

namespace tensorferry::inference {

// TorchScriptOutputs makes named tensors from the value of a TorchScript `forward`.
//
// Names:   keys of a dictionary, fields of a NamedTuple, or else OUTPUT__0, OUTPUT__1, …. A configuration uses these
//          names, or NAME__0, NAME__1, … by their places, or else lists them in their order. The order of a dictionary
//          is that in which the model filled it.
// Tuples:  those within a tuple are taken apart: their elements have places, and in a field the names FIELD[0],
//          FIELD[1], …. So are lists of tensors, of which the code tells how many they have (torchscript_lists.h).
class TorchScriptOutputs {
 public:
  // Errors: MODEL_NOT_READY for a value that is not made of tensors, and for a configuration that does not fit.
  static absl::StatusOr<TorchScriptOutputs> Make(torch::jit::Function& forward, const ModelConfig& config);

  // Returns the outputs; none, if they are known only from the value.
  const std::vector<TensorSpec>& specs() const { return specs_; }

  // Returns what is done against the words of the configuration; empty: nothing is.
  const std::string& warning() const { return warning_; }

  // Makes the outputs.
  // Errors: MODEL_FAILED, with the fault of the configuration, if the value does not have the outputs that it names.
  absl::StatusOr<std::vector<NamedTensor>> Named(const c10::IValue& value) const;

 private:
  absl::Status ReadType(torch::jit::Function& forward);
  absl::Status ApplyConfig(const ModelConfig& config);
  absl::StatusOr<std::vector<NamedTensor>> NamedByKey(const c10::IValue& dictionary) const;
  absl::StatusOr<std::vector<NamedTensor>> NamedByPlace(std::span<const c10::IValue> own) const;

  std::vector<TensorSpec> specs_;
  bool is_dictionary_ = false;
  std::vector<ConfiguredTensor> configured_;  // For a dictionary: which keys are meant is known only from the value.
  std::vector<std::size_t> places_;           // Otherwise for each of `specs_` its index in the value.
  std::string warning_;
};

}  // namespace tensorferry::inference
