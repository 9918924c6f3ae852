#include "inference/engine/exported_json.h"

#include <c10/util/complex.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "base/status.h"

namespace tensorferry::inference {
namespace {

using Json = nlohmann::json;

// Checks how deeply a text is nested, and how many values it has, before anything is built of it.
void CheckExtent(std::string_view text) {
  int depth = 0;
  std::size_t values = 0;
  bool in_string = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string) {
      if (c == '\\') ++at;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == ',' && ++values > kMaxProgramValues) {
      throw WrongProgram(fmt::format("the JSON has more than {} values", kMaxProgramValues));
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxProgramDepth) {
        throw WrongProgram(fmt::format("the JSON is nested more than {} deep", kMaxProgramDepth));
      }
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
}

template <typename T>
struct Row {
  std::int64_t number;
  T value;
};

template <typename Rows>
auto Find(const Rows& rows, const Json& number, std::string_view what) {
  const std::int64_t wanted = IntOf(number);
  const auto row = std::ranges::find(rows, wanted, [](const auto& one) { return one.number; });
  if (row == rows.end()) throw WrongProgram(fmt::format("{} {} is unknown", what, wanted));
  return row->value;
}

}  // namespace

Json ParseBounded(std::string_view text) {
  CheckExtent(text);
  return Json::parse(text);
}

c10::ScalarType ScalarTypeOf(const Json& number) {
  using enum c10::ScalarType;
  static constexpr auto kRows = std::to_array<Row<c10::ScalarType>>({
      {1, Byte},
      {2, Char},
      {3, Short},
      {4, Int},
      {5, Long},
      {6, Half},
      {7, Float},
      {8, Double},
      {9, ComplexHalf},
      {10, ComplexFloat},
      {11, ComplexDouble},
      {12, Bool},
      {13, BFloat16},
      {28, UInt16},
      {29, Float8_e4m3fn},
      {30, Float8_e5m2},
      {31, Float8_e4m3fnuz},
      {32, Float8_e5m2fnuz},
      {33, Float8_e8m0fnu},
      {34, UInt32},
      {35, UInt64},
  });
  return Find(kRows, number, "dtype");
}

c10::Layout LayoutOf(const Json& number) {
  static constexpr auto kRows = std::to_array<Row<c10::Layout>>({{1, c10::Layout::Sparse},
                                                                 {2, c10::Layout::SparseCsr},
                                                                 {3, c10::Layout::SparseCsc},
                                                                 {4, c10::Layout::SparseBsr},
                                                                 {5, c10::Layout::SparseBsc},
                                                                 {6, c10::Layout::Mkldnn},
                                                                 {7, c10::Layout::Strided}});
  return Find(kRows, number, "layout");
}

c10::MemoryFormat MemoryFormatOf(const Json& number) {
  static constexpr auto kRows = std::to_array<Row<c10::MemoryFormat>>({{1, c10::MemoryFormat::Contiguous},
                                                                       {2, c10::MemoryFormat::ChannelsLast},
                                                                       {3, c10::MemoryFormat::ChannelsLast3d},
                                                                       {4, c10::MemoryFormat::Preserve}});
  return Find(kRows, number, "memory format");
}

std::int64_t IntOf(const Json& number) {
  if (number.is_number_unsigned() && number.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max()) {
    throw WrongProgram("a whole number does not fit 64 bits");
  }
  if (!number.is_number_integer()) throw WrongProgram(fmt::format("a whole number is {}", Quote(number.type_name())));
  return number.get<std::int64_t>();
}

double FloatOf(const Json& number) {
  if (number.is_number()) return number.get<double>();
  if (number == "Infinity") return std::numeric_limits<double>::infinity();
  if (number == "-Infinity") return -std::numeric_limits<double>::infinity();
  if (number == "NaN") return std::numeric_limits<double>::quiet_NaN();
  throw WrongProgram(fmt::format("a number is {}", Quote(number.type_name())));
}

std::pair<std::string, const Json&> UnionOf(const Json& json) {
  if (!json.is_object() || json.size() != 1) throw WrongProgram("a union has not exactly one member");
  return {json.begin().key(), json.begin().value()};
}

}  // namespace tensorferry::inference
