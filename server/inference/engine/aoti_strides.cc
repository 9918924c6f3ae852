#include "inference/engine/aoti_strides.h"

#include <ATen/ops/empty_strided.h>
#include <c10/util/strides.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tensorferry::inference {
namespace {

// Returns the tensor in C order. Along dimensions of one element torch allows any stride, but compiled code does not.
at::Tensor InCOrder(const at::Tensor& tensor) {
  const at::Tensor contiguous = tensor.contiguous();
  const c10::DimVector strides = c10::contiguous_strides(contiguous.sizes());
  return contiguous.strides().equals(strides) ? contiguous : contiguous.as_strided(contiguous.sizes(), strides);
}

}  // namespace

AotiStrides::AotiStrides(const std::vector<InputBounds>& bounds) {
  std::vector<std::string> symbols;
  for (std::size_t input = 0; input < bounds.size(); ++input) {
    for (std::size_t dim = 0; dim < bounds[input].dims.size(); ++dim) {
      const std::string& symbol = bounds[input].dims[dim].symbol;
      if (symbol.empty() || std::ranges::find(symbols, symbol) != symbols.end()) continue;
      symbols.push_back(symbol);
      places_.push_back({input, dim});
    }
  }
  for (const InputBounds& each : bounds) strides_.push_back(Read(each, symbols));
}

AotiStrides::Strides AotiStrides::Read(const InputBounds& bounds, const std::vector<std::string>& symbols) {
  const auto symbol_by_name = [&](std::string_view name) -> std::optional<std::size_t> {
    const auto found = std::ranges::find(symbols, name);
    return found == symbols.end() ? std::nullopt : std::optional<std::size_t>(found - symbols.begin());
  };
  Strides strides;
  for (const InputBounds::Dim& dim : bounds.dims) {
    auto stride = DimExpression::Parse(dim.stride, symbol_by_name);
    if (!stride) return {};
    strides.push_back(*std::move(stride));
  }
  return strides;
}

void AotiStrides::Apply(std::vector<at::Tensor>& inputs) const {
  std::vector<std::int64_t> symbols;
  for (const auto& [input, dim] : places_) symbols.push_back(inputs[input].size(static_cast<std::int64_t>(dim)));
  for (std::size_t input = 0; input < inputs.size(); ++input) {
    at::Tensor& tensor = inputs[input];
    c10::DimVector wanted;
    for (const DimExpression& stride : strides_[input]) {
      if (const auto value = stride.Value(symbols)) wanted.push_back(*value);
    }
    if (tensor.strides().equals(wanted)) continue;
    if (wanted.size() != tensor.sizes().size() || c10::contiguous_strides(tensor.sizes()) == wanted) {
      tensor = InCOrder(tensor);
    } else {
      tensor = at::empty_strided(tensor.sizes(), wanted, tensor.options()).copy_(tensor);
    }
  }
}

}  // namespace tensorferry::inference
