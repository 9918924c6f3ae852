#include "rpc/oip/classification.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
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

// Row gives the elements of a row, which need not be aligned.
template <typename Element>
class Row {
 public:
  explicit Row(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::size_t size() const { return bytes_.size() / sizeof(Element); }
  Element operator[](std::size_t index) const {
    Element element;
    std::memcpy(&element, bytes_.data() + index * sizeof(Element), sizeof(Element));
    return element;
  }

  // Returns whether the element at `a` comes before that at `b`: it is larger, or as large and the first of them. NaN is
  // ordered after all numbers.
  bool Before(std::size_t a, std::size_t b) const {
    const Element x = (*this)[a];
    const Element y = (*this)[b];
    if constexpr (std::is_floating_point_v<Element>) {
      if (std::isnan(x) != std::isnan(y)) return std::isnan(y);
      if (std::isnan(x)) return a < b;
    }
    return x != y ? x > y : a < b;
  }

 private:
  std::span<const std::byte> bytes_;
};

// Returns the indices of the `count` elements of a row that come first, in order; at least one. A row may have as many
// elements as a message has bytes, so only the best so far are kept: when there are twice as many, half of them goes. So
// the time grows with the row, whatever order it is in.
template <typename Element>
std::vector<std::size_t> FirstOf(const Row<Element>& row, std::size_t count) {
  constexpr std::size_t kLeastAtOnce = 4096;
  const std::size_t most = count + std::max(count, kLeastAtOnce);
  const auto before = [&](std::size_t a, std::size_t b) { return row.Before(a, b); };
  std::vector<std::size_t> best;
  best.reserve(std::min(most, row.size()));
  const auto drop_rest = [&] {
    std::ranges::nth_element(best, best.begin() + static_cast<std::ptrdiff_t>(count - 1), before);
    best.resize(count);
  };
  std::optional<std::size_t> worst;  // The last of the best, once others were dropped.
  for (std::size_t index = 0; index < row.size(); ++index) {
    if (worst && !before(index, *worst)) continue;
    best.push_back(index);
    if (best.size() < most) continue;
    drop_rest();
    worst = best.back();
  }
  if (best.size() > count) drop_rest();
  std::ranges::sort(best, before);
  return best;
}

// Appends the raw strings of one row's largest elements to `raw`.
template <typename Element>
void AppendLargest(std::span<const std::byte> bytes, std::size_t classes, std::span<const std::string> labels,
                   std::string& raw) {
  if (classes == 0) return;
  const Row<Element> row(bytes);
  for (const std::size_t index : FirstOf(row, classes)) {
    std::string text = TextOf(row[index]) + ":" + fmt::to_string(index);
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
