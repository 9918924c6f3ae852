// These functions parse the values of options. Each error is INVALID_ARGUMENT with one line that names its option.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

namespace tensorferry::cli {

inline constexpr std::chrono::milliseconds kLeastTime{1};

// ParseTimeOption parses a time of at least `min` and at most 24 days.
absl::StatusOr<std::chrono::milliseconds> ParseTimeOption(std::string_view option, std::string_view text,
                                                          std::chrono::milliseconds min);

// ParseSizeOption parses a number of bytes, from 1 to `max`.
absl::StatusOr<std::uint64_t> ParseSizeOption(std::string_view option, std::string_view text, std::uint64_t max);

}  // namespace tensorferry::cli
