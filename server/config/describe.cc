#include "config/describe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "config/setting.h"

namespace tensorferry::config {
namespace {

std::string HelpLine(const Flag& flag, std::string_view note) {
  return fmt::format("  {:<27} {}{}\n", fmt::format("--{} {}", flag.name, flag.value), flag.help, note);
}

std::string DefaultOf(const Setting& setting, const Config& defaults) {
  if (!setting.computed_default.empty()) return std::string(setting.computed_default);
  const std::vector<std::string> texts = setting.get(defaults);
  const std::string joined = fmt::format("{}", fmt::join(texts, ","));
  return joined.empty() ? "none" : joined;
}

// Writes a number as it is, and any other text as TOML's basic string. TOML has no number that begins with a zero.
std::string TomlValue(std::string_view text) {
  const bool has_digits_alone = !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
  const bool is_number = has_digits_alone && (text.size() == 1 || text.front() != '0');
  if (is_number) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quoted += {'\\', c};
    } else if (byte < 0x20 || byte == 0x7F) {
      quoted += fmt::format("\\u{:04X}", byte);
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

}  // namespace

std::string HelpText() {
  const Config defaults;
  std::string text =
      "Usage: tensorferry-server [FLAG]...\n"
      "\n"
      "Takes NumPy arrays over gRPC, turns them into torch tensors without losing a bit, and runs models on them.\n"
      "\n";
  for (const Setting& setting : Settings()) {
    const std::string alias = setting.flag.alias.empty() ? "" : fmt::format("; also --{}", setting.flag.alias);
    text += HelpLine(setting.flag, fmt::format("{}{} [{}]", alias, setting.repeatable ? "; repeatable" : "",
                                               DefaultOf(setting, defaults)));
  }
  for (const Flag& flag : kOtherFlags) text += HelpLine(flag, "");
  text +=
      "\n"
      "SIZE is in B, KiB, MiB or GiB (64MiB), TIME in ms, s, m or h (30s). A switch without on or off is on.\n"
      "Defaults are in brackets.\n"
      "\n";
  text += fmt::format(
      "Every setting has an environment variable too ({}, repeated values separated by commas)\n"
      "and a key in the TOML file ({}). A flag wins over the environment, the environment over the file.\n",
      EnvironmentName("max-message-bytes"), "max-message-bytes = \"64MiB\"");
  return text;
}

std::string PrintConfig(const Resolved& resolved) {
  std::string text;
  for (const std::string& warning : resolved.warnings) text += fmt::format("# {}\n", OneLine(warning));
  for (const Setting& setting : Settings()) {
    std::vector<std::string> values = setting.get(resolved.config);
    for (std::string& value : values) value = TomlValue(value);
    const std::string joined = fmt::format("{}", fmt::join(values, ", "));
    text += fmt::format("{} = {}  # {}\n", setting.flag.name, setting.repeatable ? "[" + joined + "]" : joined,
                        OneLine(resolved.sources.at(setting.flag.name)));
  }
  return text;
}

std::string ConfigJson(const Resolved& resolved) {
  using Json = nlohmann::ordered_json;
  Json settings = Json::array();
  for (const Setting& setting : Settings()) {
    const std::vector<std::string> values = setting.get(resolved.config);
    settings.push_back({{"name", setting.flag.name},
                        {"value", setting.repeatable ? Json(values) : Json(values.front())},
                        {"source", resolved.sources.at(setting.flag.name)}});
  }
  const Json page = {{"settings", settings}, {"warnings", resolved.warnings}};
  return page.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace tensorferry::config
