#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace tensorferry::cli {

// A whole positive number and its unit, one of ms, s, m, h: `30s`, `500ms`. Nothing for other text, or beyond 24 days.
std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text);

}  // namespace tensorferry::cli
