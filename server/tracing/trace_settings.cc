#include "tracing/trace_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

#include "base/status.h"
#include "base/text.h"

namespace tensorferry::tracing {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

constexpr std::string_view kTracesPath = "/v1/traces";
constexpr std::string_view kServiceName = "service.name";

std::string_view Trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

std::optional<std::string> PercentDecoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    unsigned int byte = 0;
    if (text.size() - i < 3) return std::nullopt;
    const auto [end, error] = std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16);
    if (error != std::errc() || end != text.data() + i + 3) return std::nullopt;
    decoded += static_cast<char>(byte);
    i += 2;
  }
  return decoded;
}

// Reads `key=value,key=value`, with values that are percent-encoded.
std::optional<Pairs> ParsePairs(std::string_view text) {
  Pairs pairs;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    const std::string_view part = Trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (part.empty()) continue;
    const std::size_t equals = part.find('=');
    if (equals == std::string_view::npos || equals == 0) return std::nullopt;
    const auto value = PercentDecoded(Trim(part.substr(equals + 1)));
    if (!value) return std::nullopt;
    pairs.emplace_back(std::string(Trim(part.substr(0, equals))), *value);
  }
  return pairs;
}

// Headers are sent as they are, so that none may end its line.
bool IsHeader(const std::pair<std::string, std::string>& pair) {
  const auto is_token = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  };
  return std::ranges::all_of(pair.first, is_token) &&
         std::ranges::all_of(pair.second, [](char c) { return c >= 0x20 && c < 0x7F; });
}

std::optional<double> ParseRatio(std::string_view text) {
  double ratio = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ratio);
  if (error != std::errc() || end != text.data() + text.size() || !(ratio >= 0 && ratio <= 1)) return std::nullopt;
  return ratio;
}

// Reader reads one variable after the other, and gathers the warnings.
class Reader {
 public:
  explicit Reader(const ReadVariable& read) : read_(read) {}

  // Returns the value of the first of these variables that is set, and its name. An empty value: none is.
  std::string_view First(std::string_view special, std::string_view general = "") {
    for (const std::string_view name : {special, general}) {
      if (name.empty()) continue;
      const char* const value = read_(std::string(name).c_str());
      if (value == nullptr || *value == '\0') continue;
      name_ = name;
      return Trim(value);
    }
    name_ = special;
    return {};
  }

  // Says that the variable of the last First cannot be used.
  void Warn(std::string_view problem) { warnings_.push_back(OneLine(fmt::format("{}: {}", name_, problem))); }

  std::string_view name() const { return name_; }
  std::vector<std::string> TakeWarnings() { return std::move(warnings_); }

 private:
  const ReadVariable& read_;
  std::string_view name_;
  std::vector<std::string> warnings_;
};

constexpr std::string_view kTracesEndpoint = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";

fetch::HttpTarget ReadCollector(Reader& reader) {
  const std::string_view endpoint = reader.First(kTracesEndpoint, "OTEL_EXPORTER_OTLP_ENDPOINT");
  if (endpoint.empty()) return {};
  auto target = fetch::ParseHttpTarget(endpoint);
  if (!target) {
    reader.Warn(
        fmt::format("expected http://HOST:PORT or https://HOST:PORT, got {}; no spans are exported", Quote(endpoint)));
    return {};
  }
  if (reader.name() != kTracesEndpoint) {
    if (target->path.ends_with('/')) target->path.pop_back();
    target->path += kTracesPath;
  }
  return *target;
}

Sampler ReadSampler(Reader& reader) {
  const std::string_view name = reader.First("OTEL_TRACES_SAMPLER");
  constexpr std::string_view kParentBased = "parentbased_";
  Sampler sampler{.parent_based = name.empty() || name.starts_with(kParentBased)};
  const std::string_view root = name.starts_with(kParentBased) ? name.substr(kParentBased.size()) : name;
  if (root.empty() || root == "always_on") return sampler;
  if (root == "always_off") return {.parent_based = sampler.parent_based, .ratio = 0};
  if (root != "traceidratio") {
    reader.Warn(fmt::format("{} is no sampler that is known here; parentbased_always_on is used", Quote(name)));
    return {};
  }
  const std::string_view argument = reader.First("OTEL_TRACES_SAMPLER_ARG");
  if (argument.empty()) return sampler;
  if (const auto ratio = ParseRatio(argument)) {
    sampler.ratio = *ratio;
  } else {
    reader.Warn(fmt::format("expected a number from 0 to 1, got {}; 1 is used", Quote(argument)));
  }
  return sampler;
}

Pairs ReadHeaders(Reader& reader) {
  const auto headers = ParsePairs(reader.First("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"));
  if (headers && std::ranges::all_of(*headers, IsHeader)) return *headers;
  reader.Warn("expected NAME=VALUE,NAME=VALUE; no header is sent");
  return {};
}

Pairs ReadResource(Reader& reader, std::string_view version) {
  const std::string_view service = reader.First("OTEL_SERVICE_NAME");
  Pairs resource{{std::string(kServiceName), std::string(service.empty() ? "tensorferry-server" : service)},
                 {"service.version", std::string(version)}};
  const auto attributes = ParsePairs(reader.First("OTEL_RESOURCE_ATTRIBUTES"));
  if (!attributes) reader.Warn("expected NAME=VALUE,NAME=VALUE, with values in percent-encoding; it is left out");
  for (const auto& [key, value] : attributes.value_or(Pairs())) {
    const auto known = std::ranges::find(resource, key, [](const auto& pair) { return pair.first; });
    if (known == resource.end()) {
      resource.emplace_back(key, value);
    } else if (key != kServiceName || service.empty()) {  // OTEL_SERVICE_NAME wins.
      known->second = value;
    }
  }
  return resource;
}

std::chrono::milliseconds ReadTimeout(Reader& reader, std::chrono::milliseconds otherwise) {
  constexpr std::uint64_t kMost = 60'000;
  const std::string_view text = reader.First("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT");
  if (text.empty()) return otherwise;
  const auto timeout = ParseNumber(text);
  if (timeout && *timeout > 0 && *timeout <= kMost) return std::chrono::milliseconds(*timeout);
  reader.Warn(
      fmt::format("expected milliseconds from 1 to {}, got {}; {} is used", kMost, Quote(text), otherwise.count()));
  return otherwise;
}

bool IsSwitchedOff(Reader& reader) {
  std::string disabled(reader.First("OTEL_SDK_DISABLED"));
  std::ranges::transform(disabled, disabled.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
  if (disabled == "true") return true;
  const std::string_view exporter = reader.First("OTEL_TRACES_EXPORTER");
  if (exporter.empty() || exporter == "otlp") return false;
  if (exporter != "none")
    reader.Warn(fmt::format("{} is no exporter of this server; no spans are exported", Quote(exporter)));
  return true;
}

}  // namespace

ReadTraceSettingsResult ReadTraceSettings(const ReadVariable& read, std::string_view version) {
  Reader reader(read);
  TraceSettings settings;
  if (!IsSwitchedOff(reader)) settings.collector = ReadCollector(reader);
  if (settings.enabled()) {
    const std::string_view protocol = reader.First("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL");
    if (!protocol.empty() && protocol != "http/json") {
      reader.Warn(fmt::format("spans are sent as http/json, not as {}", Quote(protocol)));
    }
    settings.ca_file = reader.First("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE");
    settings.headers = ReadHeaders(reader);
    settings.timeout = ReadTimeout(reader, settings.timeout);
    settings.sampler = ReadSampler(reader);
    settings.resource = ReadResource(reader, version);
  }
  return {std::move(settings), reader.TakeWarnings()};
}

}  // namespace tensorferry::tracing
