#pragma once

#include <ATen/Functions.h>
#include <torch/csrc/jit/api/module.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/status.h"
#include "inference/engine/torchscript_signature.h"

namespace tensorferry::inference {

// Inputs or outputs by name, of one element each.
using NamedValues = std::vector<std::pair<std::string, double>>;

// RunForward calls a module's forward as the server does: inputs become arguments by their names, and the result becomes
// outputs.
inline absl::StatusOr<NamedValues> RunForward(const TorchScriptSignature& signature, torch::jit::Module& module,
                                              const NamedValues& inputs) {
  std::vector<NamedTensor> tensors;
  for (const auto& [name, value] : inputs) tensors.push_back({name, at::full({1}, value)});
  TENSORFERRY_ASSIGN_OR_RETURN(std::vector<c10::IValue> arguments, signature.Arguments(std::move(tensors)));
  TENSORFERRY_ASSIGN_OR_RETURN(const std::vector<NamedTensor> outputs,
                               signature.Outputs(module.get_method("forward")(std::move(arguments))));
  NamedValues values;
  for (const NamedTensor& output : outputs) values.emplace_back(output.name, output.tensor.item<double>());
  return values;
}

}  // namespace tensorferry::inference
