#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tensorferry {

// Returns the size in bytes of the character of UTF-8 with which `text` begins; 0 if that is a control character, of C0
// or C1 or DEL, or if the bytes are no character.
std::size_t PrintableSize(std::string_view text);

// Returns `whole` as valid UTF-8 of at most `most_bytes`, which is 3 or more: each byte that PrintableSize refuses becomes
// '?', what WithoutSteering writes as \u2028 and the like is written so, and a text that is too long is cut between two
// characters, and ends with "...".
std::string Printable(std::string_view whole, std::size_t most_bytes);

}  // namespace tensorferry
