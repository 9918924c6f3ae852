#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <string>
#include <vector>

#include "inference/engine/aoti_bounds.h"
#include "inference/engine/dim_expression.h"

namespace tensorferry::inference {

// AotiStrides are the strides that a package was compiled for, which are those of its example's tensors, such as one in
// torch.channels_last. Compiled code takes the elements from there, whatever strides a tensor has.
class AotiStrides {
 public:
  // For a package without inputs.
  AotiStrides() = default;

  // An input whose strides the bounds do not say, in numbers and sizes that they know, is in C order.
  explicit AotiStrides(const std::vector<InputBounds>& bounds);

  // Gives each of the package's inputs the strides that it was compiled for, where they are others by a copy.
  void Apply(std::vector<at::Tensor>& inputs) const;

 private:
  // Place is a dimension whose size is the value of a symbol.
  struct Place {
    std::size_t input;
    std::size_t dim;
  };
  using Strides = std::vector<DimExpression>;

  // `symbols` are the names of the symbols, in the order of places_.
  static Strides Read(const InputBounds& bounds, const std::vector<std::string>& symbols);

  std::vector<Place> places_;     // For each symbol.
  std::vector<Strides> strides_;  // For each input; empty: it is in C order.
};

}  // namespace tensorferry::inference
