// These functions write protobuf's wire format by hand.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tensorferry {

inline std::string Varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

// LongVarint writes a varint in exactly `nbytes` bytes, which is longer than needed.
inline std::string LongVarint(std::uint64_t value, int nbytes) {
  std::string bytes;
  for (int i = 1; i < nbytes; ++i, value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

inline std::string Tag(int field, int wire_type) { return Varint(static_cast<std::uint64_t>(field << 3 | wire_type)); }

inline std::string VarintField(int field, std::uint64_t value) { return Tag(field, 0) + Varint(value); }

inline std::string BytesField(int field, std::string_view bytes) {
  return Tag(field, 2) + Varint(bytes.size()) + std::string(bytes);
}

}  // namespace tensorferry
