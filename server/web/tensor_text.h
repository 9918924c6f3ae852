// The elements of a tensor as values of JSON, exact in both directions (docs/http.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "payload/dtype.h"

namespace tensorferry::web {

inline constexpr std::string_view kBytes = "BYTES";

// TextType is a datatype whose elements JSON can say.
struct TextType {
  DType dtype = DType::kUInt8;
  bool is_bytes = false;  // BYTES: each element is a text, behind its length in four bytes.
};

// Returns nothing for FP16, BF16, the types of 8 bits and complex ones, and for names that are no datatypes.
std::optional<TextType> TextTypeOf(std::string_view datatype);

// ElementWriter turns values of JSON into elements, C order, little-endian. A function that returns false does not take
// the value, because no element of the type is it.
class ElementWriter {
 public:
  ElementWriter(TextType type, std::string& elements) : type_(type), elements_(elements) {}

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

  TextType type_;
  std::string& elements_;
};

// Appends the elements to `json` as a list. Returns false if JSON cannot say them: a text is no UTF-8, or the lengths of
// texts are not those of the bytes.
bool AppendElements(TextType type, std::string_view elements, std::string& json);

}  // namespace tensorferry::web
