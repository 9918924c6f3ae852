#include "config/value_kind.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

namespace tensorferry::config {
namespace {

struct Unit {
  std::string_view suffix;
  std::uint64_t factor;
};

// Largest first.
constexpr auto kSizeUnits =
    std::to_array<Unit>({{"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}, {"B", 1}});
constexpr auto kTimeUnits = std::to_array<Unit>({{"m", 60'000}, {"s", 1'000}, {"ms", 1}});

// All of `text` as a number without sign, else nothing.
std::optional<std::uint64_t> ParseNumber(std::string_view text) {
  std::uint64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && rest == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

// A number and one of `units`, multiplied; nothing if it does not fit.
std::optional<std::uint64_t> ParseWithUnit(std::string_view text, std::span<const Unit> units) {
  const std::string_view digits = text.substr(0, text.find_first_not_of("0123456789"));
  const std::optional<std::uint64_t> number = ParseNumber(digits);
  const auto unit = std::ranges::find(units, text.substr(digits.size()), &Unit::suffix);
  if (!number || unit == units.end() || *number > std::numeric_limits<std::uint64_t>::max() / unit->factor) {
    return std::nullopt;
  }
  return *number * unit->factor;
}

template <typename T, typename U>
std::optional<T> Within(T min, T max, std::optional<U> value) {
  if (!value || std::cmp_less(*value, min) || std::cmp_greater(*value, max)) return std::nullopt;
  return static_cast<T>(*value);
}

constexpr std::string_view kNameCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
constexpr std::size_t kMaxModelNameBytes = 128;
constexpr std::size_t kMaxUnixPathBytes = 107;  // What a sockaddr_un holds, less the final zero.

bool IsHost(std::string_view host) {
  constexpr std::string_view kV6Characters = "0123456789ABCDEFabcdef:.";
  if (!host.starts_with('[')) return !host.empty() && host.find_first_not_of(kNameCharacters) == std::string_view::npos;
  if (!host.ends_with(']')) return false;
  const std::string_view address = host.substr(1, host.size() - 2);
  const std::string_view scope = address.substr(std::min(address.find('%'), address.size()));
  return address.find(':') != std::string_view::npos &&
         address.substr(0, address.size() - scope.size()).find_first_not_of(kV6Characters) == std::string_view::npos &&
         (scope.empty() || (scope.size() > 1 && scope.find_first_not_of(kNameCharacters, 1) == std::string_view::npos));
}

bool IsModelName(std::string_view name) {
  return !name.empty() && name.size() <= kMaxModelNameBytes &&
         name.find_first_not_of(kNameCharacters) == std::string_view::npos;
}

}  // namespace

std::optional<std::uint64_t> SizeKind::Parse(std::string_view text) const {
  const std::optional<std::uint64_t> plain = ParseNumber(text);
  return Within(min, max, plain ? plain : ParseWithUnit(text, kSizeUnits));
}

std::string SizeKind::Format(const std::uint64_t& value) const {
  const auto unit = std::ranges::find_if(kSizeUnits, [&](const Unit& u) { return value % u.factor == 0; });
  return fmt::format("{}{}", value / unit->factor, unit->suffix);
}

std::string SizeKind::Expected() const {
  return fmt::format("a size from {} to {}, in B, KiB, MiB or GiB", Format(min), Format(max));
}

std::optional<std::chrono::milliseconds> DurationKind::Parse(std::string_view text) const {
  const auto count = Within<std::int64_t>(min.count(), max.count(), ParseWithUnit(text, kTimeUnits));
  return count ? std::optional(std::chrono::milliseconds(*count)) : std::nullopt;
}

std::string DurationKind::Format(const std::chrono::milliseconds& value) const {
  return value.count() % 1000 == 0 ? fmt::format("{}s", value.count() / 1000) : fmt::format("{}ms", value.count());
}

std::string DurationKind::Expected() const {
  return fmt::format("a time from {} to {}, in ms, s or m", Format(min), Format(max));
}

std::optional<int> CountKind::Parse(std::string_view text) const { return Within(min, max, ParseNumber(text)); }

std::string CountKind::Format(const int& value) const { return fmt::to_string(value); }

std::string CountKind::Expected() const { return fmt::format("a number from {} to {}", min, max); }

std::optional<bool> SwitchKind::Parse(std::string_view text) const {
  if (text == "on") return true;
  if (text == "off") return false;
  return std::nullopt;
}

std::string SwitchKind::Format(const bool& value) const { return value ? "on" : "off"; }

std::string SwitchKind::Expected() const { return "on or off"; }

std::optional<std::string> AddressKind::Parse(std::string_view text) const {
  constexpr std::string_view kUnix = "unix:";
  bool valid = false;
  if (text.starts_with(kUnix)) {
    valid = text.size() > kUnix.size() && text.size() <= kUnix.size() + kMaxUnixPathBytes;
  } else if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos) {
    valid = IsHost(text.substr(0, colon)) && Within(0, 65535, ParseNumber(text.substr(colon + 1)));
  }
  return valid ? std::optional(std::string(text)) : std::nullopt;
}

std::string AddressKind::Format(const std::string& value) const { return value; }

std::string AddressKind::Expected() const {
  return fmt::format("HOST:PORT, [IPV6]:PORT or unix:PATH (at most {} bytes of path)", kMaxUnixPathBytes);
}

std::optional<ModelFile> ModelKind::Parse(std::string_view text) const {
  const std::size_t equals = text.find('=');
  const std::string_view name = text.substr(0, equals);
  if (equals == std::string_view::npos || equals + 1 == text.size() || !IsModelName(name)) return std::nullopt;
  return ModelFile{.name = std::string(name), .file = std::string(text.substr(equals + 1))};
}

std::string ModelKind::Format(const ModelFile& value) const { return value.name + "=" + value.file; }

std::string ModelKind::Expected() const {
  return fmt::format("NAME=FILE, with a NAME of 1 to {} letters, digits, dots, underscores and dashes",
                     kMaxModelNameBytes);
}

std::optional<std::string> PathKind::Parse(std::string_view text) const { return std::string(text); }

std::string PathKind::Format(const std::string& value) const { return value; }

std::string PathKind::Expected() const { return "a path"; }

std::optional<std::string> LoadModelKind::Parse(std::string_view text) const {
  return text == "*" || IsModelName(text) ? std::optional(std::string(text)) : std::nullopt;
}

std::string LoadModelKind::Format(const std::string& value) const { return value; }

std::string LoadModelKind::Expected() const { return "a model's name, * or none"; }

std::optional<std::string> DeviceKind::Parse(std::string_view text) const {
  constexpr std::string_view kNumbered = "cuda:";
  const bool numbered = text.starts_with(kNumbered) && Within(0, 127, ParseNumber(text.substr(kNumbered.size())));
  return text == "cpu" || text == "cuda" || numbered ? std::optional(std::string(text)) : std::nullopt;
}

std::string DeviceKind::Format(const std::string& value) const { return value; }

std::string DeviceKind::Expected() const { return "cpu, cuda or cuda:N"; }

std::optional<std::size_t> NamesKind::Parse(std::string_view text) const {
  const auto name = std::ranges::find(names, text);
  return name == names.end() ? std::nullopt : std::optional(static_cast<std::size_t>(name - names.begin()));
}

std::string NamesKind::Expected() const { return fmt::format("one of {}", fmt::join(names, ", ")); }

}  // namespace tensorferry::config
