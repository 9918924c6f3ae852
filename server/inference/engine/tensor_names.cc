#include "inference/engine/tensor_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <set>

namespace tensorferry::inference {
namespace {

std::optional<std::size_t> NumberOf(std::string_view name) {
  const std::size_t mark = name.rfind("__");
  if (mark == std::string_view::npos) return std::nullopt;
  const std::string_view digits = name.substr(mark + 2);
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc() && end == digits.data() + digits.size() ? std::optional(number) : std::nullopt;
}

std::optional<std::size_t> PlaceOf(const std::string& name, std::span<const std::string> own) {
  if (const auto found = std::ranges::find(own, name); found != own.end()) {
    return static_cast<std::size_t>(found - own.begin());
  }
  return NumberOf(name);
}

}  // namespace

std::string OutputName(std::size_t index) { return fmt::format("OUTPUT__{}", index); }

std::optional<std::vector<std::size_t>> PlacesOf(const std::vector<ConfiguredTensor>& configured,
                                                 std::span<const std::string> own) {
  std::vector<std::size_t> places;
  for (const ConfiguredTensor& tensor : configured) {
    const auto place = PlaceOf(tensor.name, own);
    if (!place) break;
    places.push_back(*place);
  }
  if (places.size() < configured.size()) {
    places.resize(configured.size());
    std::iota(places.begin(), places.end(), std::size_t{0});
  }
  const bool fit = std::ranges::all_of(places, [&](std::size_t place) { return place < own.size(); });
  const bool distinct = std::set(places.begin(), places.end()).size() == places.size();
  return fit && distinct ? std::optional(std::move(places)) : std::nullopt;
}

TensorSpec SpecOf(const ConfiguredTensor& tensor, bool batched) {
  TensorSpec spec{.name = tensor.name, .optional = tensor.optional};
  if (tensor.dtype) spec.dtype = std::string(Info(*tensor.dtype).name);
  if (tensor.strings) spec.dtype = kStrings;
  if (batched) spec.shape.push_back(-1);
  spec.shape.insert(spec.shape.end(), tensor.dims.begin(), tensor.dims.end());
  return spec;
}

}  // namespace tensorferry::inference
