// Values of options, each with the error that its option shows: INVALID_ARGUMENT in one line.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"

namespace tensorferry::cli {

inline constexpr std::chrono::milliseconds kLeastTime{1};

// A time of at least `min` and at most 24 days.
absl::StatusOr<std::chrono::milliseconds> ParseTimeOption(std::string_view option, std::string_view text,
                                                          std::chrono::milliseconds min);

// Bytes, from 1 to `max`.
absl::StatusOr<std::uint64_t> ParseSizeOption(std::string_view option, std::string_view text, std::uint64_t max);

}  // namespace tensorferry::cli
