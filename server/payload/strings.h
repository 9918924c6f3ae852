// Strings as the Open Inference Protocol sends them raw: each element is its length, four bytes, little-endian, and then
// its bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "payload/scattered_bytes.h"

namespace tensorferry {

// Whether `raw` is `count` strings, and nothing else.
// Errors: SIZE_MISMATCH, with the number or the place at fault.
absl::Status CheckStrings(const ScatteredBytes& raw, std::uint64_t count);

// The strings, in place. `raw` has passed CheckStrings.
std::vector<std::string_view> SplitStrings(std::span<const std::byte> raw);

// Append one string to raw ones.
void AppendString(std::string_view text, std::string& raw);

}  // namespace tensorferry
