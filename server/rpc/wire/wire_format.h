// Protobuf's wire format: before each field stands a tag, which holds the field's number and how its value is written.
#pragma once

#include <cassert>
#include <cstdint>

namespace tensorferry::rpc {

// How the value of a field is written. Protobuf's other wire types are read by its own parser alone.
enum WireType : std::uint8_t { kVarint = 0, kLengthDelimited = 2 };

inline constexpr int kWireTypeBits = 3;

constexpr std::uint32_t MakeTag(int field, WireType type) {
  return static_cast<std::uint32_t>(field) << kWireTypeBits | type;
}
constexpr int FieldOf(std::uint32_t tag) { return static_cast<int>(tag >> kWireTypeBits); }
constexpr bool IsLengthDelimited(std::uint32_t tag) { return (tag & ((1U << kWireTypeBits) - 1)) == kLengthDelimited; }

// A tag of one byte, as the fields 1 to 15 have it.
constexpr std::uint8_t SmallTag(int field, WireType type) {
  assert(field >= 1 && field <= 15);  // Does not compile as a constant otherwise.
  return static_cast<std::uint8_t>(MakeTag(field, type));
}

// An entry of a map is a message of its own, whose fields have no generated constants: these two, in every map.
inline constexpr int kEntryName = 1;
inline constexpr int kEntryValue = 2;

}  // namespace tensorferry::rpc
