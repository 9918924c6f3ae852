#include "config/command_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>

#include "base/nearest.h"
#include "base/status.h"
#include "config/setting.h"

namespace tensorferry::config {
namespace {

// Syntax is what the parser needs to know about a flag.
struct Syntax {
  std::string_view name;
  bool takes_value;
  bool repeatable = false;
  bool is_switch = false;
};

std::optional<Syntax> FindSyntax(std::string_view name) {
  if (const Setting* setting = FindSetting(name))
    return Syntax{setting->flag.name, true, setting->repeatable, setting->is_switch};
  for (const Flag& flag : kOtherFlags) {
    if (flag.name == name) return Syntax{.name = flag.name, .takes_value = !flag.value.empty()};
  }
  return std::nullopt;
}

absl::Status UnknownFlag(std::string_view flag) {
  std::vector<std::string_view> names;
  for (const Setting& setting : Settings()) names.push_back(setting.flag.name);
  for (const Flag& other : kOtherFlags) names.push_back(other.name);
  const std::string_view name = flag.substr(std::min(flag.find_first_not_of('-'), flag.size()));
  const auto nearest = Nearest(name, names);
  return absl::InvalidArgumentError(fmt::format("unknown flag {}; {}", Quote(flag),
                                                nearest ? fmt::format("did you mean --{}?", *nearest) : "see --help"));
}

}  // namespace

absl::StatusOr<RawValues> ParseCommandLine(const std::vector<std::string>& args) {
  RawValues values;
  for (auto arg = args.begin(); arg != args.end(); ++arg) {
    if (!arg->starts_with('-')) return absl::InvalidArgumentError(fmt::format("unexpected argument {}", Quote(*arg)));
    const std::string flag = *arg == "-h" ? fmt::format("--{}", kHelpFlag) : arg->substr(0, arg->find('='));
    const auto syntax = flag.starts_with("--") ? FindSyntax(flag.substr(2)) : std::nullopt;
    if (!syntax) return UnknownFlag(flag);

    const auto next = std::next(arg);
    std::string text;
    if (flag.size() < arg->size()) {
      if (!syntax->takes_value) return absl::InvalidArgumentError(fmt::format("{} takes no value", flag));
      text = arg->substr(flag.size() + 1);
    } else if (syntax->is_switch) {
      const bool value_follows = next != args.end() && (*next == "on" || *next == "off");
      text = value_follows ? *++arg : "on";
    } else if (syntax->takes_value) {
      if (next == args.end()) return absl::InvalidArgumentError(fmt::format("{} needs a value", flag));
      text = *++arg;
    }

    RawValue& value = values[std::string(syntax->name)];
    value.source = "flag";
    if (!syntax->repeatable) value.texts.clear();
    value.texts.push_back(text);
  }
  return values;
}

}  // namespace tensorferry::config
