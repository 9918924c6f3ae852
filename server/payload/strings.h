// Raw strings, as the Open Inference Protocol sends them: each element is its length, four bytes, little-endian, and
// then its bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "payload/scattered_bytes.h"

namespace tensorferry {

// Checks that `raw` holds exactly `count` strings.
// Errors: SIZE_MISMATCH, with the number of strings or the place of the fault.
absl::Status CheckStrings(const ScatteredBytes& raw, std::uint64_t count);

// Returns views of the strings in `raw`, which CheckStrings has accepted.
std::vector<std::string_view> SplitStrings(std::span<const std::byte> raw);

// Appends one string to `raw`.
void AppendString(std::string_view text, std::string& raw);

}  // namespace tensorferry
