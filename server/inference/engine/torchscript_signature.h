#pragma once

#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/engine/torchscript_outputs.h"
#include "inference/model_config.h"
#include "inference/tensor/model.h"

namespace tensorferry::inference {

// TorchScriptSignature makes the arguments of a TorchScript `forward` from named tensors, and named tensors from its
// value.
//
// Inputs:  without a configuration, the tensors among forward's arguments, by their names, and those of tuples, which are
//          called ARGUMENT[0], or ARGUMENT[field] of a NamedTuple. A configuration uses these names, or NAME__0,
//          NAME__1, … by their places, or else lists the inputs in their order. If forward takes one dictionary of
//          tensors, the names are its keys.
// Strings: arguments and values of type List[str].
// Outputs: see TorchScriptOutputs.
class TorchScriptSignature {
 public:
  // `forward` is the schema of the method; its first argument is `self`.
  // Errors: MODEL_NOT_READY for an argument that no array can fill, for a value that is not made of tensors, and for a
  //         configuration that does not fit.
  static absl::StatusOr<TorchScriptSignature> Make(const c10::FunctionSchema& forward, const ModelConfig& config);

  const std::vector<TensorSpec>& inputs() const { return inputs_; }
  const std::vector<TensorSpec>& outputs() const { return outputs_.specs(); }

  // Returns what is done against the words of the configuration.
  std::vector<std::string> warnings() const;

  // Makes the arguments of forward.
  // Errors: INPUT_MISMATCH for a name that is missing.
  absl::StatusOr<std::vector<c10::IValue>> Arguments(std::vector<NamedTensor> inputs) const;

  // Makes the outputs from the value of forward.
  // Errors: those of TorchScriptOutputs::Named.
  absl::StatusOr<std::vector<NamedTensor>> Outputs(const c10::IValue& value) const { return outputs_.Named(value); }

 private:
  absl::Status ReadArguments(const c10::FunctionSchema& forward);
  absl::Status ApplyInputs(const ModelConfig& config);
  absl::Status CheckStrings(const ModelConfig& config) const;

  struct Argument {
    c10::Argument own;
    std::size_t first_input = 0;  // Its inputs among those of the model: none if no array fills it,
    std::size_t inputs = 0;       // several if it is a tuple.
  };
  // OwnInput is an input as forward calls it, and as callers do; empty: they cannot send it.
  struct OwnInput {
    std::string own_name, name;
  };
  using Sent = std::vector<NamedTensor>;

  NamedTensor* Find(std::size_t input, Sent& sent) const;
  absl::StatusOr<c10::IValue> Fill(const c10::TypePtr& type, std::size_t& input, Sent& sent) const;

  std::vector<Argument> arguments_;   // The arguments without `self`.
  std::vector<OwnInput> own_inputs_;  // In the order of the arguments.
  bool takes_dictionary_ = false;     // One argument, a dictionary, takes all inputs.
  std::vector<TensorSpec> inputs_;    // As callers see them.
  std::string warning_;  // What is done with the inputs against the words of the configuration; empty: nothing is.
  TorchScriptOutputs outputs_;
};

}  // namespace tensorferry::inference
