// Protobuf's wire format. Each field begins with a tag, which holds the field's number and says how its value is
// written.
#pragma once

#include <cassert>
#include <cstdint>

namespace tensorferry::rpc {

// WireType says how the value of a field is written. Only protobuf's parser reads the other wire types.
enum WireType : std::uint8_t { kVarint = 0, kLengthDelimited = 2 };

inline constexpr int kWireTypeBits = 3;

constexpr std::uint32_t MakeTag(int field, WireType type) {
  return static_cast<std::uint32_t>(field) << kWireTypeBits | type;
}
constexpr int FieldOf(std::uint32_t tag) { return static_cast<int>(tag >> kWireTypeBits); }
constexpr bool IsLengthDelimited(std::uint32_t tag) { return (tag & ((1U << kWireTypeBits) - 1)) == kLengthDelimited; }

// Returns the tag of a field from 1 to 15, which is one byte.
constexpr std::uint8_t SmallTag(int field, WireType type) {
  assert(field >= 1 && field <= 15);  // A wrong number in a constant expression does not compile.
  return static_cast<std::uint8_t>(MakeTag(field, type));
}

// An entry of a map is a message with these two fields, for which protobuf generates no constants.
inline constexpr int kEntryName = 1;
inline constexpr int kEntryValue = 2;

}  // namespace tensorferry::rpc
