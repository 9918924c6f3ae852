#include "cli/duration.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <limits>

namespace tensorferry::cli {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t milliseconds;
};
constexpr auto kUnits = std::to_array<Unit>({{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}});

}  // namespace

std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text) {
  std::int32_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || count <= 0) return std::nullopt;
  const auto unit = std::ranges::find(kUnits, text.substr(static_cast<std::size_t>(end - text.data())), &Unit::name);
  if (unit == kUnits.end()) return std::nullopt;
  const std::int64_t milliseconds = count * unit->milliseconds;
  if (milliseconds > std::numeric_limits<std::int32_t>::max()) return std::nullopt;
  return std::chrono::milliseconds(milliseconds);
}

}  // namespace tensorferry::cli
