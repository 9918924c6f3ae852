#pragma once

#include <torch/csrc/jit/api/module.h>

namespace tensorferry::inference {

// Whether running a method in evaluation mode may write to its module: assign to an attribute, or change the elements of
// one in place. Where the graph does not tell, as behind an interface, it may. Such a module must not be run by two
// threads at once, and gives another answer the next time.
bool WritesToItself(const torch::jit::Method& method);

}  // namespace tensorferry::inference
