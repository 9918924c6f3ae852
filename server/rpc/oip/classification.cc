#include "rpc/oip/classification.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>
#include <type_traits>
#include <vector>

#include "base/status.h"
#include "inference/model_info.h"
#include "payload/dtype.h"
#include "payload/strings.h"
#include "rpc/oip/datatype.h"

namespace tensorferry::rpc {
namespace {

// The most strings of one answer. Each takes up to 330 bytes, many times the element.
constexpr std::uint64_t kMaxStrings = 1 << 16;

// Writes floats with six digits behind the point, as printf's %f does.
template <typename Element>
std::string TextOf(Element value) {
  if constexpr (std::is_floating_point_v<Element>) {
    std::array<char, std::numeric_limits<double>::max_exponent10 + 16> text;
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed, 6).ptr;
    return {text.data(), end};
  } else {
    return fmt::to_string(value);
  }
}

// Appends the raw strings of one row's largest elements to `raw`.
template <typename Element>
void AppendLargest(std::span<const std::byte> row, std::size_t classes, std::span<const std::string> labels,
                   std::string& raw) {
  std::vector<Element> values(row.size() / sizeof(Element));
  if (!row.empty()) std::memcpy(values.data(), row.data(), row.size());
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto before = [&](std::size_t a, std::size_t b) {
    if constexpr (std::is_floating_point_v<Element>) {  // NaN is ordered after all numbers.
      if (values[a] != values[a] || values[b] != values[b]) return values[a] == values[a] && values[b] != values[b];
    }
    return values[a] != values[b] ? values[a] > values[b] : a < b;
  };
  // A row that is in order the other way round would have partial_sort take many times as long.
  const auto end = order.begin() + static_cast<std::ptrdiff_t>(classes);
  if (end != order.end()) std::ranges::nth_element(order, end, before);
  std::ranges::sort(order.begin(), end, before);
  for (const std::size_t index : std::span(order).first(classes)) {
    std::string text = TextOf(values[index]) + ":" + fmt::to_string(index);
    if (index < labels.size()) text += ":" + labels[index];
    AppendString(text, raw);
  }
}

using AppendRow = void (*)(std::span<const std::byte>, std::size_t, std::span<const std::string>, std::string&);

// Returns null for elements that are not classified.
AppendRow AppendOf(DType dtype) {
  switch (dtype) {
    case DType::kUInt8: return &AppendLargest<std::uint8_t>;
    case DType::kUInt16: return &AppendLargest<std::uint16_t>;
    case DType::kUInt32: return &AppendLargest<std::uint32_t>;
    case DType::kUInt64: return &AppendLargest<std::uint64_t>;
    case DType::kInt8: return &AppendLargest<std::int8_t>;
    case DType::kInt16: return &AppendLargest<std::int16_t>;
    case DType::kInt32: return &AppendLargest<std::int32_t>;
    case DType::kInt64: return &AppendLargest<std::int64_t>;
    case DType::kFloat32: return &AppendLargest<float>;
    case DType::kFloat64: return &AppendLargest<double>;
    default: return nullptr;
  }
}

}  // namespace

absl::StatusOr<inference::TensorResult> Classify(const inference::TensorResult& output, std::uint64_t classes,
                                                 bool batched, std::span<const std::string> labels) {
  const auto dtype = DTypeByName(output.metadata.dtype);
  const AppendRow append = dtype ? AppendOf(*dtype) : nullptr;
  if (append == nullptr) {
    return MakeError(
        Reason::kInputMismatch,
        fmt::format("classification takes integers, FP32 and FP64, not {}", OipNameOf(output.metadata.dtype)),
        {.field = "outputs.parameters", .actual = std::string(OipNameOf(output.metadata.dtype))});
  }
  const Shape& shape = output.metadata.shape;
  const std::span<const std::byte> bytes = output.elements->bytes;
  const bool in_rows = batched && !shape.empty();
  const std::uint64_t rows = in_rows ? static_cast<std::uint64_t>(shape.front()) : 1;
  const std::size_t row_nbytes = rows == 0 ? 0 : bytes.size() / rows;
  const std::size_t count = std::min<std::uint64_t>(classes, row_nbytes / Info(*dtype).itemsize);

  if (count > 0 && rows > kMaxStrings / count) {
    return MakeError(Reason::kTensorTooLarge,
                     fmt::format("classification of {} rows with {} classes each; at most {} classes are sent in all",
                                 rows, count, kMaxStrings),
                     {.field = "outputs.parameters",
                      .actual = fmt::format("{} * {}", rows, count),
                      .limit = fmt::to_string(kMaxStrings)});
  }

  const auto raw = std::make_shared<std::string>();
  for (std::uint64_t row = 0; row < rows; ++row)
    append(bytes.subspan(row * row_nbytes, row_nbytes), count, labels, *raw);
  inference::TensorResult result;
  result.metadata.name = output.metadata.name;
  result.metadata.dtype = inference::kStrings;
  if (in_rows) result.metadata.shape.push_back(static_cast<std::int64_t>(rows));
  result.metadata.shape.push_back(static_cast<std::int64_t>(count));
  result.elements = inference::TensorElements{std::as_bytes(std::span(*raw)), raw};
  return result;
}

}  // namespace tensorferry::rpc
