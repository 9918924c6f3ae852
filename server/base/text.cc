#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <span>

#include "base/status.h"

namespace tensorferry {
namespace {

struct Unit {
  std::string_view suffix;
  std::uint64_t factor;
};

// The largest unit comes first.
constexpr auto kSizeUnits =
    std::to_array<Unit>({{"GiB", 1ULL << 30}, {"MiB", 1ULL << 20}, {"KiB", 1ULL << 10}, {"B", 1}});
constexpr auto kTimeUnits = std::to_array<Unit>({{"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}});

// These spellings are what people often write for the units, in lower case.
constexpr auto kMeantSizes = std::to_array<Unit>({{"b", 1},
                                                  {"byte", 1},
                                                  {"bytes", 1},
                                                  {"k", 1ULL << 10},
                                                  {"kb", 1ULL << 10},
                                                  {"ki", 1ULL << 10},
                                                  {"kib", 1ULL << 10},
                                                  {"m", 1ULL << 20},
                                                  {"mb", 1ULL << 20},
                                                  {"mi", 1ULL << 20},
                                                  {"mib", 1ULL << 20},
                                                  {"g", 1ULL << 30},
                                                  {"gb", 1ULL << 30},
                                                  {"gi", 1ULL << 30},
                                                  {"gib", 1ULL << 30},
                                                  {"t", 1ULL << 40},
                                                  {"tb", 1ULL << 40},
                                                  {"ti", 1ULL << 40},
                                                  {"tib", 1ULL << 40}});
constexpr auto kMeantTimes = std::to_array<Unit>(
    {{"ms", 1},         {"msec", 1},         {"millis", 1},       {"milliseconds", 1}, {"", 1'000},
     {"s", 1'000},      {"sec", 1'000},      {"secs", 1'000},     {"second", 1'000},   {"seconds", 1'000},
     {"m", 60'000},     {"min", 60'000},     {"mins", 60'000},    {"minute", 60'000},  {"minutes", 60'000},
     {"h", 3'600'000},  {"hr", 3'600'000},   {"hrs", 3'600'000},  {"hour", 3'600'000}, {"hours", 3'600'000},
     {"d", 86'400'000}, {"day", 86'400'000}, {"days", 86'400'000}});

// Reads a number and one of `units`. Returns their product; nothing if it does not fit.
std::optional<std::uint64_t> ParseWithUnit(std::string_view text, std::span<const Unit> units) {
  const std::string_view digits = text.substr(0, text.find_first_not_of("0123456789"));
  const std::optional<std::uint64_t> number = ParseNumber(digits);
  const auto unit = std::ranges::find(units, text.substr(digits.size()), &Unit::suffix);
  if (!number || unit == units.end() || *number > std::numeric_limits<std::uint64_t>::max() / unit->factor) {
    return std::nullopt;
  }
  return *number * unit->factor;
}

std::optional<std::chrono::milliseconds> ToMilliseconds(std::optional<std::uint64_t> count) {
  if (!count || *count > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) return std::nullopt;
  return std::chrono::milliseconds(*count);
}

// Reads a number and one of `units`, with any blanks and capitals.
std::optional<std::uint64_t> ParseMeant(std::string_view text, std::span<const Unit> units) {
  std::string plain;
  for (const char c : text) {
    if (c != ' ') plain += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  return ParseWithUnit(plain, units);
}

// Steering is a range of characters that differ in the last byte of their UTF-8, as WithoutSteering replaces them.
struct Steering {
  std::string_view before;    // The bytes before the last.
  unsigned char first, last;  // The range of the last byte.
  unsigned int base;          // The code point for which the last byte would be 0.

  constexpr bool Begins(std::string_view text) const {
    if (text.size() <= before.size() || !text.starts_with(before)) return false;
    const auto byte = static_cast<unsigned char>(text[before.size()]);
    return byte >= first && byte <= last;
  }
  constexpr unsigned int CodeOf(std::string_view text) const {
    return base + static_cast<unsigned char>(text[before.size()]);
  }
};

constexpr auto kSteering = std::to_array<Steering>({{"\xC2", 0x80, 0x9F, 0},           // The control characters of C1.
                                                    {"\xD8", 0x9C, 0x9C, 0x580},       // Arabic letter mark.
                                                    {"\xE2\x80", 0x8E, 0x8F, 0x1F80},  // Marks of direction.
                                                    {"\xE2\x80", 0xA8, 0xAE, 0x1F80},  // Separators, embeddings.
                                                    {"\xE2\x81", 0xA6, 0xA9, 0x1FC0}});  // Isolates.

constexpr std::string_view kHostCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

bool IsHost(std::string_view host) {
  constexpr std::string_view kV6Characters = "0123456789ABCDEFabcdef:.";
  if (!host.starts_with('[')) return !host.empty() && host.find_first_not_of(kHostCharacters) == std::string_view::npos;
  if (!host.ends_with(']')) return false;
  const std::string_view address = host.substr(1, host.size() - 2);
  const std::string_view scope = address.substr(std::min(address.find('%'), address.size()));
  return address.find(':') != std::string_view::npos &&
         address.substr(0, address.size() - scope.size()).find_first_not_of(kV6Characters) == std::string_view::npos &&
         (scope.empty() || (scope.size() > 1 && scope.find_first_not_of(kHostCharacters, 1) == std::string_view::npos));
}

}  // namespace

std::optional<std::uint64_t> ParseNumber(std::string_view text) {
  std::uint64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && rest == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

std::optional<std::uint64_t> ParseSize(std::string_view text) {
  const std::optional<std::uint64_t> plain = ParseNumber(text);
  return plain ? plain : ParseWithUnit(text, kSizeUnits);
}

std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text) {
  return ToMilliseconds(ParseWithUnit(text, kTimeUnits));
}

std::string FormatSize(std::uint64_t nbytes) {
  if (nbytes == 0) return "0B";
  const auto unit = std::ranges::find_if(kSizeUnits, [&](const Unit& u) { return nbytes % u.factor == 0; });
  return fmt::format("{}{}", nbytes / unit->factor, unit->suffix);
}

std::string FormatDuration(std::chrono::milliseconds duration) {
  const std::int64_t count = duration.count();
  if (count == 0) return "0s";
  const auto unit =
      std::ranges::find_if(kTimeUnits, [&](const Unit& u) { return count % static_cast<std::int64_t>(u.factor) == 0; });
  return fmt::format("{}{}", count / static_cast<std::int64_t>(unit->factor), unit->suffix);
}

std::string ExpectedSize(std::uint64_t min, std::uint64_t max) {
  return fmt::format("a size from {} to {}, in B, KiB, MiB or GiB", FormatSize(min), FormatSize(max));
}

std::string ExpectedDuration(std::chrono::milliseconds min, std::chrono::milliseconds max) {
  return fmt::format("a time from {} to {}, in ms, s, m or h", FormatDuration(min), FormatDuration(max));
}

std::string MeantSize(std::string_view text) {
  const auto meant = ParseSize(text) ? std::nullopt : ParseMeant(text, kMeantSizes);
  return meant ? FormatSize(*meant) : "";
}

std::string MeantDuration(std::string_view text) {
  const auto meant = ParseDuration(text) ? std::nullopt : ToMilliseconds(ParseMeant(text, kMeantTimes));
  return meant ? FormatDuration(*meant) : "";
}

std::string Unexpected(std::string_view expected, std::string_view actual, std::string_view meant) {
  return fmt::format("expected {}, got {}{}{}", expected, Quote(actual), meant.empty() ? "" : "; write ", meant);
}

std::optional<Address> ParseAddress(std::string_view text) {
  constexpr std::string_view kUnix = "unix:";
  if (text.starts_with(kUnix)) {
    const std::string_view path = text.substr(kUnix.size());
    if (path.empty() || path.size() > kMaxUnixPathBytes) return std::nullopt;
    return Address{.is_unix = true, .host = path};
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || !IsHost(text.substr(0, colon))) return std::nullopt;
  const std::optional<std::uint64_t> port = ParseNumber(text.substr(colon + 1));
  if (!port || *port > std::numeric_limits<std::uint16_t>::max()) return std::nullopt;
  return Address{.host = text.substr(0, colon), .port = static_cast<std::uint16_t>(*port)};
}

std::string WithoutSteering(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  while (!text.empty()) {
    const auto steering = std::ranges::find_if(kSteering, [&](const Steering& s) { return s.Begins(text); });
    if (steering == kSteering.end()) {
      plain += text.front();
      text.remove_prefix(1);
    } else {
      plain += fmt::format("\\u{:04x}", steering->CodeOf(text));
      text.remove_prefix(steering->before.size() + 1);
    }
  }
  return plain;
}

std::string OneLine(std::string_view text) {
  std::string line;
  line.reserve(text.size());
  for (const char c : WithoutSteering(text)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      line += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      line += fmt::format("\\x{:02x}", byte);
    } else {
      line += c;
    }
  }
  return line;
}

std::string SizeText(std::uint64_t nbytes) {
  constexpr std::array kUnits{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (nbytes < 1024) return fmt::format("{} B", nbytes);
  double value = static_cast<double>(nbytes) / 1024;
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

}  // namespace tensorferry
