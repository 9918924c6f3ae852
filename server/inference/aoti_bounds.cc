#include "inference/aoti_bounds.h"

#include <fmt/format.h>

#include <map>
#include <regex>

#include "payload/shape.h"

namespace tensorferry::inference {
namespace {

using Match = std::match_results<std::string_view::const_iterator>;

std::int64_t Number(const Match& match, std::size_t group) { return std::stoll(match[group].str()); }

// Call `visit` with each match.
template <typename Visit>
void ForEachMatch(std::string_view text, const std::regex& pattern, Visit&& visit) {
  const std::regex_iterator<std::string_view::const_iterator> end;
  for (std::regex_iterator<std::string_view::const_iterator> match(text.begin(), text.end(), pattern); match != end;
       ++match) {
    visit(*match);
  }
}

// `body`: of the function that checks one input.
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
    if (index != static_cast<std::int64_t>(bounds.dims.size())) return std::nullopt;  // One is not mentioned.
    bounds.dims.push_back(dim);
  }
  return bounds;
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
  return all;
}

std::string OutOfBounds(const InputBounds& bounds, const std::vector<std::int64_t>& shape, std::size_t first_dim) {
  if (shape.size() != bounds.dims.size()) {
    return fmt::format("has {} dimensions, expected {}", shape.size(), bounds.dims.size());
  }
  for (std::size_t i = first_dim; i < shape.size(); ++i) {
    const auto& [min, max] = bounds.dims[i];
    if (shape[i] >= min && shape[i] <= max) continue;
    const std::string expected = min == max ? fmt::format("{}", min)
                                 : max == std::numeric_limits<std::int64_t>::max()
                                     ? fmt::format("at least {}", min)
                                     : fmt::format("from {} to {}", min, max);
    return fmt::format("has shape {}; dimension {} is {}, expected {}", ToText(shape), i, shape[i], expected);
  }
  return "";
}

}  // namespace tensorferry::inference
