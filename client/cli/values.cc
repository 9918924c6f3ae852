#include "cli/values.h"

#include <fmt/format.h>

#include "base/text.h"

namespace tensorferry::cli {

absl::StatusOr<std::chrono::milliseconds> ParseTimeOption(std::string_view option, std::string_view text,
                                                          std::chrono::milliseconds min) {
  constexpr std::chrono::milliseconds kMax = std::chrono::hours(24 * 24);
  const auto time = ParseDuration(text);
  if (time && *time >= min && *time <= kMax) return *time;
  return absl::InvalidArgumentError(
      fmt::format("{}: {}", option, Unexpected(ExpectedDuration(min, kMax), text, MeantDuration(text))));
}

absl::StatusOr<std::uint64_t> ParseSizeOption(std::string_view option, std::string_view text, std::uint64_t max) {
  const auto size = ParseSize(text);
  if (size && *size >= 1 && *size <= max) return *size;
  return absl::InvalidArgumentError(
      fmt::format("{}: {}", option, Unexpected(ExpectedSize(1, max), text, MeantSize(text))));
}

}  // namespace tensorferry::cli
