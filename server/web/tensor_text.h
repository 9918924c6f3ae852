// The elements of a tensor as values of JSON, exact in both directions (docs/http.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "payload/dtype.h"
#include "web/counted_text.h"
#include "web/narrow_float.h"

namespace tensorferry::web {

inline constexpr std::string_view kBytes = "BYTES";

// TextType is a datatype whose elements JSON can say.
struct TextType {
  DType dtype = DType::kUInt8;          // That of each part, if the elements are complex.
  bool is_bytes = false;                // BYTES: each element is a text, behind its length in four bytes.
  bool is_complex = false;              // Each element is a list of two numbers.
  std::optional<NarrowFloat> narrow{};  // The layout of `dtype`, if it is a float of at most 16 bits.
};

// Returns nothing for names that are no datatypes.
std::optional<TextType> TextTypeOf(std::string_view datatype);

// ElementWriter turns values of JSON into elements, C order, little-endian. A function that returns false does not take
// the value, because no element of the type is it.
class ElementWriter {
 public:
  static constexpr std::size_t kMostBytes = 8;  // That a value adds, if it is no text.

  ElementWriter(const TextType& type, std::string& elements) : type_(type), elements_(elements) {}

  bool Boolean(bool value);
  bool Integer(std::int64_t value);
  bool Unsigned(std::uint64_t value);
  bool Float(double value, std::string_view digits);  // `digits` is the number as it was sent.
  bool Text(std::string_view text);                   // BYTES, and "NaN", "Infinity", "-Infinity" for floats.

 private:
  template <typename T>
  bool Put(T value);
  template <typename Value>
  bool Whole(Value value);
  bool Narrow(double value, std::string_view digits);
  bool PutNarrow(std::uint16_t bits);

  const TextType& type_;
  std::string& elements_;
};

// Appends the elements to `json` as a list. Returns false if JSON cannot say them: a text is no UTF-8, or the lengths of
// texts are not those of the bytes.
// Errors: those of CountedText::MakeRoom.
absl::StatusOr<bool> AppendElements(const TextType& type, std::string_view elements, CountedText& json);

}  // namespace tensorferry::web
