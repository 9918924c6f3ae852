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
// Inputs:  without a configuration, the tensors among forward's arguments, by their names, and those of tuples and
//          lists, which are called ARGUMENT[0], or ARGUMENT[field] of a NamedTuple. How many tensors a list has is known from
//          the code or the configuration (torchscript_lists.h). A configuration uses these names, or NAME__0,
//          NAME__1, … by their places, or else lists the inputs in their order. If forward takes one dictionary of
//          tensors, the names are its keys.
// Strings: arguments and values of type List[str].
// Outputs: see TorchScriptOutputs.
class TorchScriptSignature {
 public:
  // The first argument of `forward` is `self`.
  // Errors: MODEL_NOT_READY for an argument that no array can fill, for a list of which it is not known how many tensors
  //         it has, for a value that is not made of tensors, and for a configuration that does not fit.
  static absl::StatusOr<TorchScriptSignature> Make(torch::jit::Function& forward, const ModelConfig& config);

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
  absl::Status ReadArguments(torch::jit::Function& forward, const ModelConfig& config);
  absl::Status ApplyInputs(const ModelConfig& config);
  absl::Status CheckStrings(const ModelConfig& config) const;

  struct Argument {
    c10::Argument own;
    std::size_t first_input = 0;       // Its inputs among those of the model: none if no array fills it,
    std::size_t inputs = 0;            // several if it is a tuple or a list.
    std::vector<std::size_t> lists{};  // How many tensors each list in it has.
  };
  // Place is the next of an argument's inputs and lists to be filled.
  struct Place {
    std::size_t input = 0;
    const std::size_t* list = nullptr;
  };
  // OwnInput is an input as forward calls it, and as callers do; empty: they cannot send it.
  struct OwnInput {
    std::string own_name, name;
  };
  using Sent = std::vector<NamedTensor>;

  NamedTensor* Find(std::size_t input, Sent& sent) const;
  absl::StatusOr<c10::IValue> Fill(const c10::TypePtr& type, Place& place, Sent& sent) const;
  absl::StatusOr<c10::IValue> FillList(Place& place, Sent& sent) const;
  absl::StatusOr<NamedTensor*> Take(Place& place, Sent& sent) const;

  std::vector<Argument> arguments_;   // The arguments without `self`.
  std::vector<OwnInput> own_inputs_;  // In the order of the arguments.
  bool takes_dictionary_ = false;     // One argument, a dictionary, takes all inputs.
  std::vector<TensorSpec> inputs_;    // As callers see them.
  std::string warning_;  // What is done with the inputs against the words of the configuration; empty: nothing is.
  TorchScriptOutputs outputs_;
};

}  // namespace tensorferry::inference
