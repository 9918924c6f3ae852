#include "inference/engine/dim_relations.h"

#include <c10/util/SmallVector.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <regex>
#include <utility>

#include "base/status.h"

namespace tensorferry::inference {
namespace {

// The signs are in the order of DimRelations::Sign.
constexpr std::string_view kSigns[] = {"==", "!=", "<=", ">=", "<", ">"};

bool IsName(std::string_view text) {
  return !text.empty() && std::isalpha(static_cast<unsigned char>(text.front())) &&
         std::ranges::all_of(text, [](unsigned char c) { return std::isalnum(c) || c == '_'; });
}

// Adds the names that the source gives to symbols beside their own: int64_t s77 = s27;
void AddAliases(std::string_view source, std::map<std::string, std::size_t, std::less<>>& by_name) {
  static const std::regex alias(R"(int64_t (s\d+) = (s\d+);)");
  const std::regex_iterator<std::string_view::const_iterator> end;
  for (std::regex_iterator<std::string_view::const_iterator> match(source.begin(), source.end(), alias); match != end;
       ++match) {
    const auto other = by_name.find((*match)[2].str());
    if (other != by_name.end()) by_name.emplace((*match)[1].str(), other->second);
  }
}

}  // namespace

DimCondition SplitCondition(std::string_view text) {
  DimCondition found;
  int depth = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::string_view rest = text.substr(at);
    if (rest.starts_with("static_cast<int64_t>")) {
      at += std::string_view("static_cast<int64_t>").size() - 1;
      continue;
    }
    depth += rest.front() == '(' ? 1 : rest.front() == ')' ? -1 : 0;
    if (depth != 0) continue;
    const auto sign = std::ranges::find_if(kSigns, [&](std::string_view one) { return rest.starts_with(one); });
    if (sign == std::end(kSigns)) continue;
    if (!found.sign.empty()) return {};
    found = {text.substr(0, at), *sign, rest.substr(sign->size())};
    at += sign->size() - 1;
  }
  return found;
}

DimRelations DimRelations::Read(std::string_view source, const std::vector<InputBounds>& bounds,
                                const std::vector<std::string>& names) {
  DimRelations read;
  read.names_ = names;
  std::map<std::string, std::size_t, std::less<>> by_name;
  for (std::size_t input = 0; input < bounds.size(); ++input) {
    for (std::size_t dim = 0; dim < bounds[input].dims.size(); ++dim) {
      const std::string& symbol = bounds[input].dims[dim].symbol;
      if (IsName(symbol) && by_name.emplace(symbol, read.symbols_.size()).second) read.symbols_.push_back({input, dim});
    }
  }
  if (by_name.size() > 1) {
    read.unchecked_ = fmt::format("{} and {}", read.NameOf(0), read.NameOf(1));
  }
  AddAliases(source, by_name);
  const auto symbol_by_name = [&](std::string_view name) -> std::optional<std::size_t> {
    const auto found = by_name.find(name);
    return found == by_name.end() ? std::nullopt : std::optional(found->second);
  };
  for (std::size_t input = 0; input < bounds.size(); ++input) {
    for (std::size_t dim = 0; dim < bounds[input].dims.size(); ++dim) {
      const std::string& symbol = bounds[input].dims[dim].symbol;
      if (symbol.empty() || IsName(symbol)) continue;
      auto size = DimExpression::Parse(symbol, symbol_by_name);
      if (!size) continue;
      const std::size_t own = read.symbols_.size();
      read.symbols_.push_back({input, dim});
      const auto name_of = [&](std::size_t one) { return read.NameOf(one); };
      std::string text = fmt::format("{} == {}", read.NameOf(own), size->ToText(name_of));
      read.relations_.push_back({DimExpression::Symbol(own), *std::move(size), Sign::kEqual, std::move(text)});
    }
  }
  read.AddAssertions(source, symbol_by_name);
  return read;
}

void DimRelations::AddAssertions(std::string_view source, const DimExpression::SymbolByName& symbol_by_name) {
  // An assertion that is indented further holds in one branch only.
  constexpr std::string_view kBegin = "\n    if (!(";
  constexpr std::string_view kEnd = ")) { throw std::runtime_error(\"Expected ";
  for (std::size_t at = source.find(kBegin); at != std::string_view::npos; at = source.find(kBegin, at + 1)) {
    std::string_view line = source.substr(at + kBegin.size());
    line = line.substr(0, line.find('\n'));
    const std::size_t end = line.find(kEnd);
    if (end == std::string_view::npos) continue;
    unchecked_.clear();
    const auto [left, sign, right] = SplitCondition(line.substr(0, end));
    if (!sign.empty()) Add(left, sign, right, symbol_by_name);
  }
}

bool DimRelations::Add(std::string_view left, std::string_view sign, std::string_view right,
                       const DimExpression::SymbolByName& symbol_by_name, DimExpression::Language language) {
  auto one = DimExpression::Parse(left, symbol_by_name, language);
  auto other = DimExpression::Parse(right, symbol_by_name, language);
  if (!one || !other) return false;
  const auto name_of = [&](std::size_t symbol) { return NameOf(symbol); };
  std::string text = fmt::format("{} {} {}", one->ToText(name_of), sign, other->ToText(name_of));
  relations_.push_back({*std::move(one), *std::move(other),
                        static_cast<Sign>(std::ranges::find(kSigns, sign) - std::begin(kSigns)), std::move(text)});
  return true;
}

absl::Status DimRelations::Check(const std::vector<at::Tensor>& inputs, std::int64_t least_rows) const {
  if (relations_.empty()) return absl::OkStatus();
  c10::SmallVector<std::int64_t, 16> sizes;
  for (const auto& [input, dim] : symbols_) {
    const std::int64_t size = inputs[input].sizes()[dim];
    sizes.push_back(dim == 0 ? std::max(size, least_rows) : size);
  }
  for (const Relation& relation : relations_) {
    const auto left = relation.left.Value(sizes);
    const auto right = relation.right.Value(sizes);
    if (left && right && Holds(relation.sign, *left, *right)) continue;
    const std::string actual = left && right ? fmt::format("{} and {}", *left, *right) : "numbers beyond 64 bits";
    return MakeError(Reason::kInputMismatch,
                     fmt::format("{} for inputs of which {}; got {}", made_, relation.text, actual),
                     {.field = "arrays", .expected = relation.text, .actual = actual});
  }
  return absl::OkStatus();
}

bool DimRelations::Holds(Sign sign, std::int64_t left, std::int64_t right) {
  switch (sign) {
    case Sign::kEqual: return left == right;
    case Sign::kUnequal: return left != right;
    case Sign::kAtMost: return left <= right;
    case Sign::kAtLeast: return left >= right;
    case Sign::kLess: return left < right;
    case Sign::kGreater: return left > right;
  }
  __builtin_unreachable();
}

std::string DimRelations::NameOf(std::size_t symbol) const {
  const auto& [input, dim] = symbols_[symbol];
  return fmt::format("dimension {} of {}", dim, Quote(names_[input]));
}

}  // namespace tensorferry::inference
