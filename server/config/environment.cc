#include "config/environment.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/nearest.h"
#include "base/status.h"
#include "config/setting.h"

namespace tensorferry::config {
namespace {

constexpr std::string_view kPrefix = "TENSORFERRY_";

// Returns whether a name with our prefix belongs to somebody else: to our clients and tests, or to Kubernetes, which
// sets such variables in every container for a service called `tensorferry`.
bool IsForeign(std::string_view name) {
  constexpr auto kNames = std::to_array<std::string_view>({"TENSORFERRY_SERVER", "TENSORFERRY_TLS", "TENSORFERRY_CA",
                                                           "TENSORFERRY_CERT", "TENSORFERRY_KEY", "TENSORFERRY_TOKEN",
                                                           "TENSORFERRY_CLI", "TENSORFERRY_NODE_MODULES"});
  return std::ranges::find(kNames, name) != kNames.end() || name.starts_with("TENSORFERRY_SERVICE_") ||
         name == "TENSORFERRY_PORT" || name.starts_with("TENSORFERRY_PORT_");
}

std::vector<std::string> SplitAtCommas(std::string_view text) {
  std::vector<std::string> parts;
  for (std::size_t comma = text.find(','); comma != std::string_view::npos; comma = text.find(',')) {
    parts.emplace_back(text.substr(0, comma));
    text.remove_prefix(comma + 1);
  }
  parts.emplace_back(text);
  return parts;
}

}  // namespace

std::string EnvironmentName(std::string_view flag_name) {
  std::string name(kPrefix);
  for (const char c : flag_name) name += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return name;
}

Environment OwnEnvironment(const char* const* block) {
  Environment environment;
  for (; *block != nullptr; ++block) {
    const std::string_view variable = *block;
    const std::size_t equals = variable.find('=');
    if (!variable.starts_with(kPrefix) || equals == std::string_view::npos) continue;
    environment.emplace(variable.substr(0, equals), variable.substr(equals + 1));
  }
  return environment;
}

EnvironmentValues ReadEnvironment(const Environment& environment) {
  struct Variable {
    std::string_view flag_name;
    bool repeatable;
  };
  std::map<std::string, Variable, std::less<>> known;
  known.emplace(EnvironmentName(kConfigFlag), Variable{kConfigFlag, false});
  for (const Setting& setting : Settings()) {
    for (const std::string_view name : {setting.flag.name, setting.flag.alias}) {
      if (!name.empty()) known.emplace(EnvironmentName(name), Variable{setting.flag.name, setting.repeatable});
    }
  }
  std::vector<std::string_view> known_names;
  for (const auto& [name, variable] : known) known_names.push_back(std::string_view(name).substr(kPrefix.size()));

  EnvironmentValues result;
  for (const auto& [name, text] : environment) {
    if (!name.starts_with(kPrefix) || IsForeign(name)) continue;
    const auto variable = known.find(name);
    if (variable == known.end()) {
      // The names are compared without the prefix that all of them have: it would make any two names look alike.
      const auto nearest = Nearest(std::string_view(name).substr(kPrefix.size()), known_names);
      result.warnings.push_back(
          fmt::format("environment variable {} is no setting{}", Quote(name),
                      nearest ? fmt::format("; did you mean {}{}?", kPrefix, *nearest) : "; --help lists all"));
    } else if (!text.empty()) {
      result.values[std::string(variable->second.flag_name)] = {
          .texts = variable->second.repeatable ? SplitAtCommas(text) : std::vector{text},
          .source = "environment " + name,
      };
    }
  }
  return result;
}

}  // namespace tensorferry::config
