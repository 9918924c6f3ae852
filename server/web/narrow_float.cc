#include "web/narrow_float.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <compare>
#include <limits>
#include <string>

namespace tensorferry::web {
namespace {

// Decimal is a number as 0.DIGITS times ten to the exponent, without zeros at either end of the digits.
struct Decimal {
  std::string digits;
  std::int64_t exponent = 0;
};

// Takes a number of JSON without its sign.
Decimal DecimalOf(std::string_view text) {
  Decimal decimal;
  const std::size_t end = std::min(text.find_first_of("eE"), text.size());
  if (end < text.size()) {
    std::string_view exponent = text.substr(end + 1);
    if (exponent.starts_with('+')) exponent.remove_prefix(1);
    std::from_chars(exponent.data(), exponent.data() + exponent.size(), decimal.exponent);
  }
  const std::string_view mantissa = text.substr(0, end);
  const std::size_t point = std::min(mantissa.find('.'), mantissa.size());
  decimal.exponent += static_cast<std::int64_t>(point);
  decimal.digits = mantissa.substr(0, point);
  if (point < mantissa.size()) decimal.digits += mantissa.substr(point + 1);
  const std::size_t first = std::min(decimal.digits.find_first_not_of('0'), decimal.digits.size());
  decimal.digits.erase(0, first);
  decimal.exponent -= static_cast<std::int64_t>(first);
  decimal.digits.erase(decimal.digits.find_last_not_of('0') + 1);
  return decimal;
}

// Compares a number of JSON, without its sign, with a double that has a short binary form: the middle between two
// numbers of 16 bits.
std::strong_ordering Compare(std::string_view digits, double middle) {
  constexpr int kExactDigits = 160;  // No middle has more.
  std::array<char, kExactDigits + 16> text{};
  const char* const end =
      std::to_chars(text.data(), text.data() + text.size(), middle, std::chars_format::scientific, kExactDigits).ptr;
  const Decimal left = DecimalOf(digits);
  const Decimal right = DecimalOf({text.data(), static_cast<std::size_t>(end - text.data())});
  if (const auto order = left.exponent <=> right.exponent; order != 0) return order;
  return left.digits.compare(right.digits) <=> 0;
}

}  // namespace

std::optional<NarrowFloat> NarrowFloatOf(DType dtype) {
  switch (dtype) {
    case DType::kFloat16: return NarrowFloat{10, -14, 0x7BFF, 0x7C00, 0x7E00, 0x8000};
    case DType::kBFloat16: return NarrowFloat{7, -126, 0x7F7F, 0x7F80, 0x7FC0, 0x8000};
    case DType::kFloat8E4M3Fn: return NarrowFloat{3, -6, 0x7E, 0, 0x7F, 0x80};
    case DType::kFloat8E4M3FnUz: return NarrowFloat{3, -7, 0x7F, 0, 0x80, 0x80};
    case DType::kFloat8E5M2: return NarrowFloat{2, -14, 0x7B, 0x7C, 0x7E, 0x80};
    case DType::kFloat8E5M2FnUz: return NarrowFloat{2, -15, 0x7F, 0, 0x80, 0x80};
    case DType::kFloat8E8M0FnU: return NarrowFloat{0, -126, 0xFE, 0, 0xFF, 0};
    case DType::kBool:
    case DType::kInt8:
    case DType::kInt16:
    case DType::kInt32:
    case DType::kInt64:
    case DType::kUInt8:
    case DType::kUInt16:
    case DType::kUInt32:
    case DType::kUInt64:
    case DType::kFloat32:
    case DType::kFloat64:
    case DType::kComplex64:
    case DType::kComplex128:
    case DType::kComplex32: return std::nullopt;
  }
  __builtin_unreachable();
}

double ValueOf(const NarrowFloat& format, std::uint16_t bits) {
  const double sign = (bits & format.sign) != 0 ? -1 : 1;
  const int magnitude = bits & ~format.sign;
  if (format.infinity != 0 && magnitude == format.infinity) return sign * std::numeric_limits<double>::infinity();
  if (bits == format.nan || magnitude > format.most) return std::numeric_limits<double>::quiet_NaN();
  const int exponent = magnitude >> format.mantissa_bits;
  const int one = 1 << format.mantissa_bits;
  const int scale = format.least_exponent - format.mantissa_bits;
  // Without a mantissa the bits 0 are the power of two before the least normal one.
  if (exponent == 0 && format.mantissa_bits > 0) return sign * std::ldexp(magnitude, scale);
  return sign * std::ldexp(one | (magnitude & (one - 1)), exponent - 1 + scale);
}

std::optional<std::uint16_t> BitsOf(const NarrowFloat& format, double value, std::string_view digits) {
  if (format.sign == 0 && !(value > 0)) return std::nullopt;
  if (value == 0) return std::signbit(value) && format.sign != format.nan ? format.sign : std::uint16_t{0};
  const double size = std::fabs(value);
  const int least = format.mantissa_bits > 0 ? format.least_exponent : format.least_exponent - 1;
  const int exponent = std::max(std::ilogb(size), least);
  // In units of the last place this is exact, as a double has many more bits.
  const double units = std::ldexp(size, format.mantissa_bits - exponent);
  const double whole = std::floor(units);
  const bool is_odd = static_cast<int>(whole) % 2 != 0;
  int bits = (exponent - format.least_exponent) * (1 << format.mantissa_bits) + static_cast<int>(whole);
  if (units - whole == 0.5) {
    if (digits.starts_with('-')) digits.remove_prefix(1);
    const auto order = Compare(digits, size);
    if (order > 0 || (order == 0 && is_odd)) ++bits;
  } else if (units - whole > 0.5) {
    ++bits;
  }
  if (bits > format.most) return std::nullopt;
  bits = std::max(bits, 0);
  const bool has_sign = std::signbit(value) && (bits != 0 || format.sign != format.nan);
  return static_cast<std::uint16_t>(has_sign ? bits | format.sign : bits);
}

}  // namespace tensorferry::web
