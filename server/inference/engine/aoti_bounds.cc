#include "inference/engine/aoti_bounds.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <regex>

#include "base/status.h"
#include "payload/shape.h"

namespace tensorferry::inference {
namespace {

using Match = std::match_results<std::string_view::const_iterator>;

std::int64_t Number(const Match& match, std::size_t group) { return std::stoll(match[group].str()); }

// Calls `visit` with each match.
template <typename Visit>
void ForEachMatch(std::string_view text, const std::regex& pattern, Visit&& visit) {
  const std::regex_iterator<std::string_view::const_iterator> end;
  for (std::regex_iterator<std::string_view::const_iterator> match(text.begin(), text.end(), pattern); match != end;
       ++match) {
    visit(*match);
  }
}

// Reads the checks in `body`, which is the body of the function that checks one input.
std::optional<InputBounds> ReadCheck(std::string_view body) {
  static const std::regex dtype(R"(_expected_dtype = aoti_torch_dtype_(\w+)\(\))");
  static const std::regex exactly(R"(if \((\d+) != \w+_size\[(\d+)\]\))");
  static const std::regex at_least(R"(if \(\w+_size\[(\d+)\] < (\d+)\))");
  static const std::regex at_most(R"(if \(\w+_size\[(\d+)\] > (\d+)\))");
  static const std::regex stride(R"(\w+_stride\[(\d+)\])");

  InputBounds bounds;
  ForEachMatch(body, dtype, [&](const Match& match) { bounds.dtype = DTypeByName(match[1].str()); });
  if (!bounds.dtype) return std::nullopt;
  std::map<std::int64_t, InputBounds::Dim> dims;
  ForEachMatch(body, stride, [&](const Match& match) { dims.try_emplace(Number(match, 1)); });
  ForEachMatch(body, exactly, [&](const Match& match) {
    dims[Number(match, 2)] = {.min = Number(match, 1), .max = Number(match, 1)};
  });
  ForEachMatch(body, at_least, [&](const Match& match) { dims[Number(match, 1)].min = Number(match, 2); });
  ForEachMatch(body, at_most, [&](const Match& match) { dims[Number(match, 1)].max = Number(match, 2); });
  for (const auto& [index, dim] : dims) {
    // The checks leave a dimension out.
    if (index != static_cast<std::int64_t>(bounds.dims.size())) return std::nullopt;
    bounds.dims.push_back(dim);
  }
  return bounds;
}

// Returns the parts of a list that has commas between them.
std::vector<std::string> Parts(const std::string& list) {
  static const std::regex part(R"(\s*([^,]*[^,\s]))");
  std::vector<std::string> parts;
  ForEachMatch(list, part, [&](const Match& match) { parts.push_back(match[1].str()); });
  return parts;
}

// Reads the symbols of each input's dimensions, and its strides, from the checks of strides. The source gives each input a
// name (`argument`), by which those checks call it.
void ReadSymbols(std::string_view source, std::vector<InputBounds>& all) {
  static const std::regex argument(R"(auto (\w+) = std::move\(inputs\[(\d+)\]\);)");
  static const std::regex check(R"(assert_size_stride\((\w+), \{([^}]*)\}(?:, \{([^}]*)\})?)");
  std::map<std::string, std::size_t> inputs;
  ForEachMatch(source, argument, [&](const Match& match) {
    const auto index = static_cast<std::size_t>(Number(match, 2));
    if (index < all.size()) inputs[match[1].str()] = index;
  });
  ForEachMatch(source, check, [&](const Match& match) {
    const auto input = inputs.find(match[1].str());
    if (input == inputs.end()) return;
    std::vector<InputBounds::Dim>& dims = all[input->second].dims;
    const std::vector<std::string> sizes = Parts(match[2].str());
    const std::vector<std::string> strides = Parts(match[3].str());
    for (std::size_t i = 0; i < std::min(dims.size(), sizes.size()); ++i) {
      if (dims[i].min != dims[i].max) dims[i].symbol = sizes[i];
    }
    for (std::size_t i = 0; i < std::min(dims.size(), strides.size()); ++i) dims[i].stride = strides[i];
  });
}

std::string TextOf(const InputBounds::Dim& dim) {
  if (dim.min == dim.max) return fmt::to_string(dim.min);
  if (dim.max != std::numeric_limits<std::int64_t>::max()) return fmt::format("{} to {}", dim.min, dim.max);
  return dim.min == 0 ? "any" : fmt::format("at least {}", dim.min);
}

std::string TextOf(const InputBounds& bounds) {
  std::vector<std::string> dims;
  for (const InputBounds::Dim& dim : bounds.dims) dims.push_back(TextOf(dim));
  return fmt::format("[{}]", fmt::join(dims, ", "));
}

bool IsWithin(const InputBounds& bounds, std::span<const std::int64_t> shape, std::size_t first_dim) {
  if (shape.size() != bounds.dims.size()) return false;
  for (std::size_t i = first_dim; i < shape.size(); ++i) {
    if (shape[i] < bounds.dims[i].min || shape[i] > bounds.dims[i].max) return false;
  }
  return true;
}

absl::Status ApplyTo(TensorSpec& spec, const InputBounds& bounds, bool batched) {
  const std::string dtype(Info(*bounds.dtype).name);
  std::vector<std::int64_t> shape;
  for (const InputBounds::Dim& dim : bounds.dims) shape.push_back(dim.min == dim.max ? dim.min : -1);
  if (batched && !shape.empty()) shape.front() = -1;
  if (spec.dtype.empty()) {
    spec.dtype = dtype;
    spec.shape = std::move(shape);
    return absl::OkStatus();
  }
  const bool fits = std::ranges::equal(spec.shape, shape, [](std::int64_t said, std::int64_t compiled) {
    return said == compiled || said == -1 || compiled == -1;
  });
  if (spec.dtype == dtype && fits) return absl::OkStatus();
  return MakeError(Reason::kModelNotReady,
                   fmt::format("config.pbtxt says that input {} is {} with shape {}, {} for {} with shape {}",
                               Quote(spec.name), spec.dtype, ToText(spec.shape), bounds.made, dtype, ToText(shape)));
}

}  // namespace

std::optional<std::vector<InputBounds>> ReadInputBounds(std::string_view source, std::size_t inputs) {
  std::vector<InputBounds> all;
  for (std::size_t i = 0; i < inputs; ++i) {
    const std::size_t begin = source.find(fmt::format("static void check_input_{}(", i));
    if (begin == std::string_view::npos) return std::nullopt;
    const std::size_t end = source.find("\n}", begin);
    const auto bounds = ReadCheck(source.substr(begin, end == std::string_view::npos ? end : end - begin));
    if (!bounds) return std::nullopt;
    all.push_back(*bounds);
  }
  ReadSymbols(source, all);
  return all;
}

absl::Status CheckBounds(std::string_view name, const InputBounds& bounds, std::span<const std::int64_t> shape,
                         std::size_t first_dim) {
  if (IsWithin(bounds, shape, first_dim)) return absl::OkStatus();
  const std::string expected = TextOf(bounds);
  const std::string actual = ToText(shape);
  return MakeError(
      Reason::kInputMismatch,
      fmt::format("{} {} has shape {}, {} for {}", Term("array"), Quote(name), actual, bounds.made, expected),
      {.field = "arrays", .expected = expected, .actual = actual});
}

absl::Status ApplyBounds(const InputBounds& bounds, std::int64_t max_batch_size, TensorSpec& spec) {
  const bool batched = max_batch_size > 0;
  if (bounds.dtype) TENSORFERRY_RETURN_IF_ERROR(ApplyTo(spec, bounds, batched));
  if (batched && !bounds.dims.empty() && bounds.dims.front().max < max_batch_size) {
    return MakeError(Reason::kModelNotReady, fmt::format("config.pbtxt has max_batch_size {}, {} for {} rows at most",
                                                         max_batch_size, bounds.made, bounds.dims.front().max));
  }
  return absl::OkStatus();
}

}  // namespace tensorferry::inference
