#include "web/tensor_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>
#include <type_traits>
#include <utility>

#include "base/status.h"
#include "base/utf8.h"

namespace tensorferry::web {
namespace {

constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kNumberBytes = 40;  // No number is longer, with the signs around it.
constexpr std::size_t kEscapedBytes = 6;  // `\u0000`

// Calls `use` with a value of the C++ type of the dtype's numbers. Returns false if C++ has none.
template <typename Use>
bool WithType(DType dtype, const Use& use) {
  switch (dtype) {
    case DType::kBool: return use(bool());  // NOLINT(bugprone-branch-clone): the types differ.
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

// Returns the size of the character of UTF-8 with which `text` begins; 0 if the bytes are none.
std::size_t CharacterSize(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  if (first < 0x80) return 1;
  // PrintableSize takes no control characters, and those of C1 are characters.
  const bool is_c1 = first == 0xC2 && text.size() > 1 && (static_cast<unsigned char>(text[1]) & 0xE0U) == 0x80;
  return is_c1 ? 2 : PrintableSize(text);
}

// Appends a text in quotes. Returns false if it is no UTF-8. There is room for kEscapedBytes for each byte, and for the
// quotes.
bool AppendQuoted(std::string_view text, std::string& json) {
  json += '"';
  while (!text.empty()) {
    const std::size_t nbytes = CharacterSize(text);
    if (nbytes == 0) return false;
    const auto first = static_cast<unsigned char>(text.front());
    if (first < 0x20) {
      fmt::format_to(std::back_inserter(json), "\\u{:04x}", first);
    } else {
      if (first == '"' || first == '\\') json += '\\';
      json += text.substr(0, nbytes);
    }
    text.remove_prefix(nbytes);
  }
  json += '"';
  return true;
}

absl::StatusOr<bool> AppendTexts(std::string_view elements, CountedText& json) {
  for (bool first = true; !elements.empty(); first = false) {
    std::uint32_t nbytes = 0;
    if (elements.size() < kLengthBytes) return false;
    std::memcpy(&nbytes, elements.data(), kLengthBytes);
    elements.remove_prefix(kLengthBytes);
    if (elements.size() < nbytes) return false;
    TENSORFERRY_RETURN_IF_ERROR(json.MakeRoom(kEscapedBytes * nbytes + kNumberBytes));
    if (!first) json.text() += ',';
    if (!AppendQuoted(elements.substr(0, nbytes), json.text())) return false;
    elements.remove_prefix(nbytes);
  }
  return true;
}

// NumberReader reads the numbers of the elements one after the other.
template <typename T>
struct NumberReader {
  static constexpr std::size_t kBytes = sizeof(T);
  T operator()(const char* bytes) const {
    T value{};
    std::memcpy(&value, bytes, sizeof(T));
    return value;
  }
};

struct NarrowReader {
  const NarrowFloat& format;
  std::size_t nbytes;
  double operator()(const char* bytes) const {
    std::uint16_t bits = 0;
    std::memcpy(&bits, bytes, nbytes);
    return ValueOf(format, bits);
  }
};

// Returns the dtype of the two parts of a complex dtype's elements.
DType PartOf(DType complex) {
  if (complex == DType::kComplex32) return DType::kFloat16;
  return complex == DType::kComplex64 ? DType::kFloat32 : DType::kFloat64;
}

template <typename Read>
absl::Status AppendNumbers(const TextType& type, std::string_view elements, const Read& read, CountedText& json) {
  const std::size_t nbytes = Info(type.dtype).itemsize;
  std::string& text = json.text();
  for (std::size_t i = 0; (i + 1) * nbytes <= elements.size(); ++i) {
    TENSORFERRY_RETURN_IF_ERROR(json.MakeRoom(kNumberBytes));
    const bool is_imaginary = type.is_complex && i % 2 == 1;
    if (i > 0) text += ',';
    if (type.is_complex && !is_imaginary) text += '[';
    AppendNumber(read(elements.data() + i * nbytes), text);
    if (is_imaginary) text += ']';
  }
  return absl::OkStatus();
}

}  // namespace

std::optional<TextType> TextTypeOf(std::string_view datatype) {
  if (datatype == kBytes) return TextType{.is_bytes = true};
  const auto* const row = std::ranges::find(kDTypes, datatype, &DTypeInfo::oip);
  if (row == kDTypes.end()) return std::nullopt;
  const bool is_complex = Info(row->dtype).name.starts_with("complex");
  const DType part = is_complex ? PartOf(row->dtype) : row->dtype;
  return TextType{.dtype = part, .is_complex = is_complex, .narrow = NarrowFloatOf(part)};
}

template <typename T>
bool ElementWriter::Put(T value) {
  elements_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  return true;
}

bool ElementWriter::PutNarrow(std::uint16_t bits) {
  elements_.append(reinterpret_cast<const char*>(&bits), Info(type_.dtype).itemsize);
  return true;
}

bool ElementWriter::Narrow(double value, std::string_view digits) {
  const auto bits = BitsOf(*type_.narrow, value, digits);
  return bits && PutNarrow(*bits);
}

bool ElementWriter::Boolean(bool value) { return !type_.is_bytes && type_.dtype == DType::kBool && Put(value); }

template <typename Value>
bool ElementWriter::Whole(Value value) {
  if (type_.is_bytes) return false;
  if (type_.narrow) {
    std::array<char, 24> digits{};
    const char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    return Narrow(static_cast<double>(value), {digits.data(), static_cast<std::size_t>(end - digits.data())});
  }
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
  if (type_.narrow) return Narrow(value, digits);
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
  const auto* const row = std::ranges::find(kNotFinite, text, [](const auto& each) { return each.first; });
  if (row == kNotFinite.end()) return false;
  if (type_.narrow) {
    const NarrowFloat& format = *type_.narrow;
    if (std::isnan(row->second)) return PutNarrow(format.nan);
    const int sign = row->second < 0 ? format.sign : 0;
    return format.infinity != 0 && PutNarrow(static_cast<std::uint16_t>(format.infinity | sign));
  }
  if (type_.dtype == DType::kFloat64) return Put(row->second);
  return type_.dtype == DType::kFloat32 && Put(static_cast<float>(row->second));
}

absl::StatusOr<bool> AppendElements(const TextType& type, std::string_view elements, CountedText& json) {
  TENSORFERRY_RETURN_IF_ERROR(json.MakeRoom(kNumberBytes));
  json.text() += '[';
  if (type.is_bytes) {
    TENSORFERRY_ASSIGN_OR_RETURN(const bool is_said, AppendTexts(elements, json));
    if (!is_said) return false;
  } else {
    absl::Status appended;
    if (type.narrow) {
      appended = AppendNumbers(type, elements, NarrowReader{*type.narrow, Info(type.dtype).itemsize}, json);
    } else {
      WithType(type.dtype, [&]<typename T>(T) {
        appended = AppendNumbers(type, elements, NumberReader<T>(), json);
        return true;
      });
    }
    TENSORFERRY_RETURN_IF_ERROR(appended);
  }
  TENSORFERRY_RETURN_IF_ERROR(json.MakeRoom(1));
  json.text() += ']';
  return true;
}

}  // namespace tensorferry::web
