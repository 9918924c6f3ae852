#include "base/utf8.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace tensorferry {
namespace {

// Lead is what the first byte of a character says: how many bytes follow it, which of its bits count, and the least code
// point that needs so many bytes.
struct Lead {
  unsigned char mask, value;
  std::size_t following;
  char32_t least;
};

constexpr std::array kLeads{Lead{0xE0, 0xC0, 1, 0x80}, Lead{0xF0, 0xE0, 2, 0x800}, Lead{0xF8, 0xF0, 3, 0x10000}};

}  // namespace

std::size_t PrintableSize(std::string_view text) {
  if (text.empty()) return 0;
  const auto first = static_cast<unsigned char>(text.front());
  if (first < 0x80) return first >= 0x20 && first != 0x7F ? 1 : 0;
  const auto lead = std::ranges::find_if(kLeads, [&](const Lead& each) { return (first & each.mask) == each.value; });
  if (lead == kLeads.end() || text.size() <= lead->following) return 0;
  char32_t code = first & static_cast<unsigned char>(~lead->mask);
  for (std::size_t i = 1; i <= lead->following; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xC0) != 0x80) return 0;
    code = (code << 6) | (byte & 0x3F);
  }
  const bool is_surrogate = code >= 0xD800 && code < 0xE000;
  const bool is_control = code < 0xA0;
  return code < lead->least || code > 0x10FFFF || is_surrogate || is_control ? 0 : lead->following + 1;
}

std::string Printable(std::string_view whole, std::size_t most_bytes) {
  constexpr std::string_view kCut = "...";
  // Nothing gets shorter, so that more than these bytes are cut in any case.
  const std::string plain = WithoutSteering(whole.substr(0, most_bytes + kCut.size() + 1));
  std::string_view text = plain;
  std::string printable;
  std::size_t kept = 0;  // The bytes that leave room for kCut.
  while (!text.empty()) {
    const std::size_t size = PrintableSize(text);
    const std::string_view character = size > 0 ? text.substr(0, size) : "?";
    if (printable.size() + character.size() > most_bytes) return printable.substr(0, kept).append(kCut);
    printable += character;
    if (printable.size() + kCut.size() <= most_bytes) kept = printable.size();
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return printable;
}

}  // namespace tensorferry
