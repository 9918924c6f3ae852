// The relations between the sizes of an exported program's inputs: from its symbols, and from its guards.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <utility>

#include "base/text.h"
#include "inference/engine/dim_relations.h"

namespace tensorferry::inference {
namespace {

using Language = DimExpression::Language;

// Returns the name that the exporter gives to the input at this path: that of ['a']['K-1'][0] is a_k_1_0.
std::string NameOfPath(const std::vector<std::string>& path) {
  std::string name;
  for (const std::string& part : path) {
    if (!name.empty()) name += '_';
    for (const char c : part) {
      const auto byte = static_cast<unsigned char>(c);
      name += std::isalnum(byte) != 0 ? static_cast<char>(std::tolower(byte)) : '_';
    }
  }
  return name;
}

// Reads `['a'][0]`, and takes it off the text.
std::vector<std::string> TakePath(std::string_view& text) {
  std::vector<std::string> path;
  while (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) break;
    std::string_view part = text.substr(1, end - 1);
    if (part.size() >= 2 && part.front() == '\'' && part.back() == '\'') part = part.substr(1, part.size() - 2);
    path.emplace_back(part);
    text.remove_prefix(end + 1);
  }
  return path;
}

// Returns the number of the symbol that WithSymbols calls d7.
std::optional<std::size_t> SymbolByNumber(std::string_view name) {
  return name.starts_with('d') ? ParseNumber(name.substr(1)) : std::nullopt;
}

}  // namespace

std::string SymbolIn(std::string_view size) {
  constexpr std::string_view kBegin = "Symbol('";
  if (!size.starts_with(kBegin) || size.find(')') != size.size() - 1) return {};
  size.remove_prefix(kBegin.size());
  return std::string(size.substr(0, size.find('\'')));
}

DimRelations DimRelations::OfProgram(const std::vector<InputBounds>& bounds, const std::vector<std::string>& names,
                                     const std::vector<std::string>& guards) {
  DimRelations read;
  read.made_ = "the program was exported";
  read.names_ = names;
  for (const InputBounds& input : bounds) read.dims_.push_back(input.dims.size());
  read.AddSizes(bounds);
  for (const std::string& guard : guards) {
    if (!read.AddGuard(guard)) read.not_understood_.push_back(guard);
  }
  return read;
}

void DimRelations::AddSizes(const std::vector<InputBounds>& bounds) {
  std::map<std::string, std::size_t, std::less<>> by_name;
  std::vector<std::pair<Place, std::string>> derived;
  const auto symbol_by_name = [&](std::string_view name) -> std::optional<std::size_t> {
    const auto found = by_name.find(name);
    return found == by_name.end() ? std::nullopt : std::optional(found->second);
  };
  for (std::size_t input = 0; input < bounds.size(); ++input) {
    for (std::size_t dim = 0; dim < bounds[input].dims.size(); ++dim) {
      const std::string& size = bounds[input].dims[dim].symbol;
      if (size.empty()) continue;
      const std::string symbol = SymbolIn(size);
      if (symbol.empty()) {
        derived.emplace_back(Place{input, dim}, size);
        continue;
      }
      const std::size_t own = SymbolAt({input, dim});
      const auto [other, is_first] = by_name.emplace(symbol, own);
      if (!is_first) Add(fmt::format("d{}", own), "==", fmt::format("d{}", other->second), SymbolByNumber);
    }
  }
  for (const auto& [place, size] : derived) {
    auto expression = DimExpression::Parse(size, symbol_by_name, Language::kPython);
    if (!expression) {
      AddSizeOfHidden(place, size);
      continue;
    }
    const std::size_t own = SymbolAt(place);
    const auto name_of = [&](std::size_t one) { return NameOf(one); };
    std::string text = fmt::format("{} == {}", NameOf(own), expression->ToText(name_of));
    relations_.push_back({DimExpression::Symbol(own), *std::move(expression), Sign::kEqual, std::move(text)});
  }
}

// Adds what follows for the size of a dimension that is a multiple of a symbol which is the size of no dimension, and a
// number added to it.
void DimRelations::AddSizeOfHidden(Place place, const std::string& size) {
  std::string hidden;
  const auto symbol_by_name = [&](std::string_view name) -> std::optional<std::size_t> {
    if (!hidden.empty() && hidden != name) return std::nullopt;
    hidden = name;
    return 0;
  };
  const auto expression = DimExpression::Parse(size, symbol_by_name, Language::kPython);
  std::array<std::optional<std::int64_t>, 3> values;
  for (std::int64_t i = 0; i < 3 && expression; ++i) values[static_cast<std::size_t>(i)] = expression->Value({{i}});
  if (!values[0] || !values[1] || !values[2] || *values[2] - *values[1] != *values[1] - *values[0]) {
    not_understood_.push_back(size);
    return;
  }
  const std::int64_t factor = *values[1] - *values[0];
  if (factor <= 1) return;
  const std::size_t own = SymbolAt(place);
  Add(fmt::format("(d{} + {}) % {}", own, factor - *values[0] % factor, factor), "==", "0", SymbolByNumber,
      Language::kPython);
}

bool DimRelations::AddGuard(std::string_view guard) {
  const auto text = WithSymbols(guard);
  if (!text) return false;
  const auto [left, sign, right] = SplitCondition(*text);
  return !sign.empty() && Add(left, sign, right, SymbolByNumber, Language::kPython);
}

// Returns the guard with d0, d1, … in the place of the sizes that it speaks of; nothing if it speaks of anything else.
std::optional<std::string> DimRelations::WithSymbols(std::string_view guard) {
  constexpr std::string_view kSize = ".size()";
  std::string text;
  while (!guard.empty()) {
    if (!guard.starts_with("L[")) {
      text += guard.front();
      guard.remove_prefix(1);
      continue;
    }
    guard.remove_prefix(1);
    const auto input = InputOfPath(TakePath(guard));
    if (!input || !guard.starts_with(kSize)) return std::nullopt;
    guard.remove_prefix(kSize.size());
    const std::vector<std::string> dim = TakePath(guard);
    const auto index = dim.size() == 1 ? ParseNumber(dim.front()) : std::nullopt;
    if (!index || *index >= dims_.at(*input)) return std::nullopt;
    text += fmt::format("d{}", SymbolAt({*input, *index}));
  }
  return text;
}

std::optional<std::size_t> DimRelations::InputOfPath(const std::vector<std::string>& path) const {
  if (path.size() == 2 && path[0] == "flat_args") {
    const auto index = ParseNumber(path[1]);
    return index && *index < names_.size() ? index : std::nullopt;
  }
  const auto found = std::ranges::find(names_, NameOfPath(path));
  if (found == names_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - names_.begin());
}

std::size_t DimRelations::SymbolAt(Place place) {
  const auto found = std::ranges::find_if(
      symbols_, [&](const Place& other) { return other.input == place.input && other.dim == place.dim; });
  if (found != symbols_.end()) return static_cast<std::size_t>(found - symbols_.begin());
  symbols_.push_back(place);
  return symbols_.size() - 1;
}

}  // namespace tensorferry::inference
