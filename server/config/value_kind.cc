#include "config/value_kind.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include "base/file_name.h"
#include "base/text.h"

namespace tensorferry::config {
namespace {

template <typename T, typename U>
std::optional<T> Within(T min, T max, std::optional<U> value) {
  if (!value || std::cmp_less(*value, min) || std::cmp_greater(*value, max)) return std::nullopt;
  return static_cast<T>(*value);
}

}  // namespace

std::optional<std::uint64_t> SizeKind::Parse(std::string_view text) const { return Within(min, max, ParseSize(text)); }

std::string SizeKind::Format(const std::uint64_t& value) const { return FormatSize(value); }

std::string SizeKind::Expected() const { return ExpectedSize(min, max); }

std::string SizeKind::Meant(std::string_view text) const { return MeantSize(text); }

std::optional<std::chrono::milliseconds> DurationKind::Parse(std::string_view text) const {
  const auto duration = ParseDuration(text);
  return duration && *duration >= min && *duration <= max ? duration : std::nullopt;
}

std::string DurationKind::Format(const std::chrono::milliseconds& value) const { return FormatDuration(value); }

std::string DurationKind::Expected() const { return ExpectedDuration(min, max); }

std::string DurationKind::Meant(std::string_view text) const { return MeantDuration(text); }

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
  return ParseAddress(text) ? std::optional(std::string(text)) : std::nullopt;
}

std::string AddressKind::Format(const std::string& value) const { return value; }

std::string AddressKind::Expected() const {
  return fmt::format("HOST:PORT, [IPV6]:PORT or unix:PATH (at most {} bytes of path)", kMaxUnixPathBytes);
}

std::optional<std::string> AdminAddressKind::Parse(std::string_view text) const {
  const auto address = ParseAddress(text);
  return text == "off" || (address && !address->is_unix) ? std::optional(std::string(text)) : std::nullopt;
}

std::string AdminAddressKind::Format(const std::string& value) const { return value; }

std::string AdminAddressKind::Expected() const { return "HOST:PORT, [IPV6]:PORT or off"; }

std::optional<inference::NamedFile> ModelKind::Parse(std::string_view text) const {
  const std::size_t equals = text.find('=');
  const std::string_view name = text.substr(0, equals);
  if (equals == std::string_view::npos || equals + 1 == text.size() || !IsPlainFileName(name)) return std::nullopt;
  return inference::NamedFile{.name = std::string(name), .file = std::string(text.substr(equals + 1))};
}

std::string ModelKind::Format(const inference::NamedFile& value) const {
  return value.name + "=" + value.file.string();
}

std::string ModelKind::Expected() const {
  return fmt::format("NAME=FILE, with a NAME of 1 to {} letters, digits, dots, underscores and dashes",
                     kMaxFileNameBytes);
}

std::optional<std::string> PathKind::Parse(std::string_view text) const { return std::string(text); }

std::string PathKind::Format(const std::string& value) const { return value; }

std::string PathKind::Expected() const { return "a path"; }

std::optional<std::string> HostKind::Parse(std::string_view text) const {
  const std::string with_port = fmt::format("{}:1", text);
  const auto address = ParseAddress(with_port);
  return address && !address->is_unix && address->host == text ? std::optional(std::string(text)) : std::nullopt;
}

std::string HostKind::Format(const std::string& value) const { return value; }

std::string HostKind::Expected() const { return "HOST or [IPV6], without a port"; }

std::optional<std::string> LoadModelKind::Parse(std::string_view text) const {
  return text == "*" || IsPlainFileName(text) ? std::optional(std::string(text)) : std::nullopt;
}

std::string LoadModelKind::Format(const std::string& value) const { return value; }

std::string LoadModelKind::Expected() const { return "a model's name, * or none"; }

std::optional<int> ModeKind::Parse(std::string_view text) const {
  constexpr int kMost = 0777;
  if (text.empty()) return -1;
  int mode = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && mode >= 0 && mode <= kMost ? std::optional(mode) : std::nullopt;
}

std::string ModeKind::Format(const int& value) const { return value < 0 ? "" : fmt::format("{:04o}", value); }

std::string ModeKind::Expected() const { return "a mode from 0000 to 0777, in octal digits"; }

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
