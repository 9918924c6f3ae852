// How many tensors the lists of a TorchScript method have, which their types do not say.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include "inference/model_config.h"

namespace torch::jit {
struct Function;
struct Value;
}  // namespace torch::jit

namespace tensorferry::inference {

// ListLengths knows the lengths of the lists among the arguments of `forward`. `config` must outlive it.
class ListLengths {
 public:
  ListLengths(torch::jit::Function& forward, const ModelConfig& config);

  // Returns how many tensors the list has that is called `name`: as many as the configuration lists, as inputs NAME[0],
  // NAME[1], …, or else as the code takes out of the argument NAME: `a, b = xs`. Returns nothing if neither tells.
  std::optional<std::size_t> Of(const std::string& name) const;

 private:
  const ModelConfig& config_;
  std::map<std::string, std::size_t> unpacked_;
};

// Returns the value that `forward` returns. Returns null if there is no code to read.
const torch::jit::Value* ReturnedValue(torch::jit::Function& forward);

// Returns the value of which the code makes element `index` of a tuple. Returns null if `tuple` is null, or is made
// otherwise than of its elements.
const torch::jit::Value* ElementOf(const torch::jit::Value* tuple, std::size_t index);

// Returns the length of a list that the code makes of its elements and does nothing else with: `return x, [a, b]`.
// Returns nothing if `list` is null, or made otherwise.
std::optional<std::size_t> BuiltLength(const torch::jit::Value* list);

}  // namespace tensorferry::inference
