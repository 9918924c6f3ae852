#pragma once

#include <torch/csrc/jit/api/module.h>

namespace tensorferry::inference {

// Returns whether running `method` in evaluation mode may write to its module: assign an attribute, or change the
// elements of an attribute in place. Returns true where the graph does not tell, as behind an interface. A module that
// writes to itself must not be run by two threads at once, and its next answer may be another.
bool WritesToItself(const torch::jit::Method& method);

}  // namespace tensorferry::inference
