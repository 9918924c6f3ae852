#pragma once

#include <torch/csrc/jit/api/module.h>

namespace tensorferry::inference {

// Returns whether running `method` may write to its module: assign an attribute, or change the elements of an attribute
// in place. Returns true where the graph does not tell, as behind an interface. A module that writes to itself must not
// be run by two threads at once, and its next answer may be another.
// `in_training` says whether some part of the module is in training mode; if not, what runs only there does not count.
bool WritesToItself(const torch::jit::Method& method, bool in_training);

}  // namespace tensorferry::inference
