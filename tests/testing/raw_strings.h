// These functions write and read strings in their raw form by hand, as the protocol describes it: each behind its
// length, four bytes, little-endian.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tensorferry {

using Texts = std::vector<std::string>;

inline std::string RawStrings(const Texts& texts) {
  std::string raw;
  for (const std::string& text : texts) {
    for (int shift = 0; shift < 32; shift += 8) raw += static_cast<char>(text.size() >> shift & 0xFF);
    raw += text;
  }
  return raw;
}

// TextsOf returns nothing if the strings do not end where the bytes do.
inline std::optional<Texts> TextsOf(std::string_view raw) {
  Texts texts;
  while (!raw.empty()) {
    if (raw.size() < 4) return std::nullopt;
    std::size_t length = 0;
    for (std::size_t i = 4; i-- > 0;) length = length << 8 | static_cast<unsigned char>(raw[i]);
    if (raw.size() - 4 < length) return std::nullopt;
    texts.emplace_back(raw.substr(4, length));
    raw.remove_prefix(4 + length);
  }
  return texts;
}

}  // namespace tensorferry
