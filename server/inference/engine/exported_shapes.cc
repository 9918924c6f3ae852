#include "inference/engine/exported_shapes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <utility>

#include "base/status.h"
#include "base/utf8.h"
#include "inference/tensor/error_text.h"
#include "inference/tensor/torch_dtype.h"

namespace tensorferry::inference {
namespace {

constexpr std::size_t kMaxAssertion = 1024;
constexpr std::string_view kExported = "the program was exported";

// Returns the bounds of a size. A program takes 0 and 1 where its range begins at 2: torch assumes as much of every
// size while it exports, and does not ask for it.
InputBounds::Dim DimOf(const std::string& size, const std::map<std::string, ExportedRange>& ranges) {
  constexpr std::int64_t kAssumed = 2;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), number);
  if (error == std::errc() && end == size.data() + size.size()) return {.min = number, .max = number};
  InputBounds::Dim dim{.symbol = size};
  const auto range = ranges.find(SymbolIn(size));
  if (range == ranges.end()) return dim;
  if (range->second.min.value_or(0) > kAssumed) dim.min = *range->second.min;
  if (range->second.max) dim.max = *range->second.max;
  return dim;
}

}  // namespace

absl::StatusOr<ExportedShapes> ExportedShapes::Make(const ExportedFile& file, const std::vector<std::string>& names) {
  ExportedShapes shapes;
  shapes.names_ = names;
  for (std::size_t input = 0; input < names.size(); ++input) {
    InputBounds bounds{.dtype = {}, .dims = {}, .made = kExported};
    const auto tensor = file.tensors.find(names[input]);
    if (tensor != file.tensors.end()) {
      bounds.dtype = FromTorch(tensor->second.dtype);
      if (!bounds.dtype) {
        return MakeError(Reason::kModelNotReady, fmt::format("input {} is {}, which no NumPy array can hold",
                                                             Quote(names[input]), c10::toString(tensor->second.dtype)));
      }
      for (const std::string& size : tensor->second.sizes) {
        const std::string symbol = SymbolIn(size);
        const std::size_t dim = bounds.dims.size();
        bounds.dims.push_back(DimOf(size, file.ranges));
        if (!symbol.empty()) {
          shapes.dims_by_symbol_.emplace(symbol, fmt::format("dimension {} of {}", dim, Quote(names[input])));
        }
      }
    } else if (const auto number = file.numbers.find(names[input]); number != file.numbers.end()) {
      bounds.dtype = DType::kInt64;
      const std::string symbol = SymbolIn(number->second);
      const auto range = file.ranges.find(symbol);
      if (range != file.ranges.end()) shapes.numbers_.emplace(input, range->second);
      if (!symbol.empty()) shapes.dims_by_symbol_.emplace(symbol, Quote(names[input]));
    }
    shapes.bounds_.push_back(std::move(bounds));
  }
  shapes.relations_ = DimRelations::OfProgram(shapes.bounds_, names, file.guards);
  return shapes;
}

absl::Status ExportedShapes::Check(const std::vector<at::Tensor>& inputs, std::size_t first_dim) const {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!names_[i].empty()) {
      TENSORFERRY_RETURN_IF_ERROR(CheckBounds(names_[i], bounds_[i], inputs[i].sizes(), first_dim));
    }
  }
  for (const auto& [input, range] : numbers_) {
    const auto value = inputs[input].item<std::int64_t>();
    const bool fits = (range.min.value_or(0) <= 2 || value >= *range.min) && (!range.max || value <= *range.max);
    if (fits) continue;
    return MakeError(Reason::kInputMismatch,
                     fmt::format("{} {} is {}, {} for {} to {}", Term("array"), Quote(names_[input]), value, kExported,
                                 range.min.value_or(0), range.max ? fmt::to_string(*range.max) : "any number"),
                     {.field = "arrays", .actual = fmt::to_string(value)});
  }
  return relations_.Check(inputs, /*least_rows=*/0);
}

absl::Status ExportedShapes::Refusal(std::string_view assertion) const {
  constexpr std::string_view kBegin = "Runtime assertion failed for expression ";
  std::string_view rest = assertion.substr(0, assertion.find('\n'));
  const auto failed = [&] {
    const std::string told = Printable(rest, kMaxAssertion);
    return MakeError(Reason::kModelFailed, told,
                     {.log_text = told == rest ? Untold(assertion, rest) : std::string(assertion)});
  };
  if (!rest.starts_with(kBegin)) return failed();
  const std::size_t end = rest.find(" on node");
  std::string_view condition = rest.substr(kBegin.size(), end == std::string_view::npos ? end : end - kBegin.size());
  std::string words;
  while (!condition.empty()) {
    const auto is_word = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
    const auto stop = std::ranges::find_if_not(condition, is_word);
    const std::string_view word = condition.substr(0, static_cast<std::size_t>(stop - condition.begin()));
    if (word.empty()) {
      words += condition.front();
      condition.remove_prefix(1);
      continue;
    }
    condition.remove_prefix(word.size());
    const auto dim = dims_by_symbol_.find(word);
    if (dim == dims_by_symbol_.end() && std::isalpha(static_cast<unsigned char>(word.front())) != 0) return failed();
    words += dim == dims_by_symbol_.end() ? word : dim->second;
  }
  return MakeError(Reason::kInputMismatch, fmt::format("{} for inputs of which {}", kExported, words),
                   {.field = "arrays", .expected = words});
}

}  // namespace tensorferry::inference
