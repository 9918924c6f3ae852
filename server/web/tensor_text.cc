#include "web/tensor_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>

namespace tensorferry::web {
namespace {

constexpr std::size_t kLengthBytes = 4;

// Calls `use` with a value of the C++ type of the dtype's elements. Returns false if the dtype has no text.
template <typename Use>
bool WithType(DType dtype, const Use& use) {
  switch (dtype) {
    case DType::kBool: return use(bool());
    case DType::kInt8: return use(std::int8_t());
    case DType::kInt16: return use(std::int16_t());
    case DType::kInt32: return use(std::int32_t());
    case DType::kInt64: return use(std::int64_t());
    case DType::kUInt8: return use(std::uint8_t());
    case DType::kUInt16: return use(std::uint16_t());
    case DType::kUInt32: return use(std::uint32_t());
    case DType::kUInt64: return use(std::uint64_t());
    case DType::kFloat32: return use(float());
    case DType::kFloat64: return use(double());
    case DType::kFloat16:
    case DType::kComplex64:
    case DType::kComplex128:
    case DType::kBFloat16:
    case DType::kFloat8E4M3Fn:
    case DType::kFloat8E4M3FnUz:
    case DType::kFloat8E5M2:
    case DType::kFloat8E5M2FnUz:
    case DType::kFloat8E8M0FnU:
    case DType::kComplex32: return false;
  }
  __builtin_unreachable();
}

template <typename T>
constexpr bool kIsInteger = std::is_integral_v<T> && !std::is_same_v<T, bool>;

constexpr auto kNotFinite =
    std::to_array<std::pair<std::string_view, double>>({{"NaN", std::numeric_limits<double>::quiet_NaN()},
                                                        {"Infinity", std::numeric_limits<double>::infinity()},
                                                        {"-Infinity", -std::numeric_limits<double>::infinity()}});

// A float is written with the digits of the double that it equals, so that a reader of doubles gets it exactly; and with
// a point, so that -0.0 is not read as the integer 0.
template <typename T>
void AppendNumber(T value, std::string& json) {
  std::array<char, 32> text{};
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(value)) {
      json += R"("NaN")";
      return;
    }
    if (std::isinf(value)) {
      json += value > 0 ? R"("Infinity")" : R"("-Infinity")";
      return;
    }
    const char* const end = std::to_chars(text.data(), text.data() + text.size(), static_cast<double>(value)).ptr;
    const std::string_view digits(text.data(), static_cast<std::size_t>(end - text.data()));
    json += digits;
    if (digits.find_first_of(".e") == digits.npos) json += ".0";
  } else if constexpr (std::is_same_v<T, bool>) {
    json += value ? "true" : "false";
  } else {
    json.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr);
  }
}

bool AppendTexts(std::string_view elements, std::string& json) {
  for (bool first = true; !elements.empty(); first = false) {
    std::uint32_t nbytes = 0;
    if (elements.size() < kLengthBytes) return false;
    std::memcpy(&nbytes, elements.data(), kLengthBytes);
    elements.remove_prefix(kLengthBytes);
    if (elements.size() < nbytes) return false;
    if (!first) json += ',';
    try {
      json += nlohmann::json(elements.substr(0, nbytes)).dump();
    } catch (const nlohmann::json::type_error&) {  // It is no UTF-8.
      return false;
    }
    elements.remove_prefix(nbytes);
  }
  return true;
}

}  // namespace

std::optional<TextType> TextTypeOf(std::string_view datatype) {
  if (datatype == kBytes) return TextType{.is_bytes = true};
  const auto row = std::ranges::find(kDTypes, datatype, &DTypeInfo::oip);
  if (row == kDTypes.end() || !WithType(row->dtype, [](auto) { return true; })) return std::nullopt;
  return TextType{.dtype = row->dtype};
}

template <typename T>
bool ElementWriter::Put(T value) {
  elements_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  return true;
}

bool ElementWriter::Boolean(bool value) { return !type_.is_bytes && type_.dtype == DType::kBool && Put(value); }

template <typename Value>
bool ElementWriter::Whole(Value value) {
  if (type_.is_bytes) return false;
  return WithType(type_.dtype, [&]<typename T>(T) {
    if constexpr (std::is_same_v<T, bool>) {
      return false;
    } else if constexpr (kIsInteger<T>) {
      return std::in_range<T>(value) && Put(static_cast<T>(value));
    } else {
      return Put(static_cast<T>(value));
    }
  });
}

bool ElementWriter::Integer(std::int64_t value) { return Whole(value); }

bool ElementWriter::Unsigned(std::uint64_t value) { return Whole(value); }

bool ElementWriter::Float(double value, std::string_view digits) {
  if (type_.is_bytes) return false;
  if (type_.dtype == DType::kFloat64) return Put(value);
  if (type_.dtype != DType::kFloat32) return false;
  float nearest = 0;  // Read from the digits: by way of a double it could be rounded twice.
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), nearest);
  if (read.ec == std::errc::result_out_of_range && std::fabs(value) < 1) return Put(static_cast<float>(value));
  return read.ec == std::errc() && std::isfinite(nearest) && Put(nearest);
}

bool ElementWriter::Text(std::string_view text) {
  if (type_.is_bytes) {
    Put(static_cast<std::uint32_t>(text.size()));
    elements_ += text;
    return true;
  }
  const auto row = std::ranges::find(kNotFinite, text, [](const auto& each) { return each.first; });
  if (row == kNotFinite.end()) return false;
  if (type_.dtype == DType::kFloat64) return Put(row->second);
  return type_.dtype == DType::kFloat32 && Put(static_cast<float>(row->second));
}

bool AppendElements(TextType type, std::string_view elements, std::string& json) {
  json += '[';
  if (type.is_bytes) {
    if (!AppendTexts(elements, json)) return false;
  } else {
    WithType(type.dtype, [&]<typename T>(T value) {
      for (std::size_t i = 0; i + sizeof(T) <= elements.size(); i += sizeof(T)) {
        std::memcpy(&value, elements.data() + i, sizeof(T));
        if (i > 0) json += ',';
        AppendNumber(value, json);
      }
      return true;
    });
  }
  json += ']';
  return true;
}

}  // namespace tensorferry::web
