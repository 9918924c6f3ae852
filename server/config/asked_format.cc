#include "config/asked_format.h"

#include <fmt/format.h>

#include <iterator>
#include <optional>
#include <string_view>

#include "config/raw_values.h"
#include "config/setting.h"
#include "config/toml_file.h"

namespace tensorferry::config {
namespace {

constexpr std::string_view kLogFormat = "log-format";
constexpr std::string_view kJson = "json";

// Returns the last value of a flag. ParseCommandLine would end at the first mistake.
std::optional<std::string> LastValue(const std::vector<std::string>& args, std::string_view name) {
  const std::string flag = fmt::format("--{}", name);
  std::optional<std::string> value;
  for (auto arg = args.begin(); arg != args.end(); ++arg) {
    if (arg->starts_with(flag + '=')) {
      value = arg->substr(flag.size() + 1);
    } else if (*arg == flag && std::next(arg) != args.end()) {
      value = *std::next(arg);
    }
  }
  return value;
}

std::optional<std::string> ValueOf(const RawValues& values, std::string_view name) {
  const auto found = values.find(name);
  if (found == values.end() || found->second.texts.empty()) return std::nullopt;
  return found->second.texts.back();
}

}  // namespace

LogFormat AskedLogFormat(const std::vector<std::string>& args, const Environment& environment) {
  const RawValues variables = ReadEnvironment(environment).values;
  const auto in_flags_or_variables = [&](std::string_view name) {
    const auto flag = LastValue(args, name);
    return flag ? flag : ValueOf(variables, name);
  };
  std::optional<std::string> format = in_flags_or_variables(kLogFormat);
  if (const auto path = in_flags_or_variables(kConfigFlag); path && !format) {
    if (const auto file = ReadTomlFile(*path); file.ok()) format = ValueOf(*file, kLogFormat);
  }
  return format == kJson ? LogFormat::kJson : LogFormat::kText;
}

}  // namespace tensorferry::config
