// The mode of a module: evaluation, or training.
#pragma once

#include <torch/csrc/jit/api/module.h>

namespace tensorferry::inference {

// Returns whether the module or a module in it is in training mode.
bool IsInTraining(const torch::jit::Module& module);

// Returns whether what `method` computes may depend on the mode. Returns true where the graph does not tell.
bool DependsOnMode(const torch::jit::Method& method);

}  // namespace tensorferry::inference
