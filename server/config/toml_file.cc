#include "config/toml_file.h"

#include <fmt/format.h>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>
#include <vector>

#include "base/nearest.h"
#include "base/status.h"
#include "config/setting.h"

namespace tensorferry::config {
namespace {

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  if (std::error_code ignored; file && std::filesystem::is_directory(path, ignored)) {
    errno = EISDIR;
  } else if (file && (file.peek() == std::ifstream::traits_type::eof() || content << file.rdbuf())) {
    return content.str();
  }
  return absl::InvalidArgumentError(fmt::format("cannot read file '{}': {}", path, std::strerror(errno)));
}

// Returns the text that a flag would have for the same value.
std::optional<std::string> ToText(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return fmt::to_string(number->get());
  if (const auto* boolean = node.as_boolean()) return boolean->get() ? "on" : "off";
  return std::nullopt;
}

// Returns the texts of `node`, which is one value or an array of values; nothing if it is neither.
std::optional<std::vector<std::string>> ToTexts(const toml::node& node, bool repeatable) {
  std::vector<std::string> texts;
  const auto add = [&texts](const toml::node& value) {
    const std::optional<std::string> text = ToText(value);
    if (text) texts.push_back(*text);
    return text.has_value();
  };
  const toml::array* array = repeatable ? node.as_array() : nullptr;
  const bool all = array != nullptr ? std::ranges::all_of(*array, add) : add(node);
  return all ? std::optional(texts) : std::nullopt;
}

std::string Advice(std::string_view unknown_key) {
  std::vector<std::string_view> names;
  for (const Setting& setting : Settings()) names.push_back(setting.flag.name);
  const auto nearest = Nearest(unknown_key, names);
  return nearest ? fmt::format("did you mean {}?", *nearest) : "--help lists all";
}

}  // namespace

absl::StatusOr<RawValues> ReadTomlFile(const std::string& path) {
  TENSORFERRY_ASSIGN_OR_RETURN(const std::string content, ReadFile(path));
  const auto line_of = [&path](const toml::source_region& source) {
    return fmt::format("file {}:{}", path, source.begin.line);
  };
  const toml::parse_result file = toml::parse(content);
  if (!file) {
    return absl::InvalidArgumentError(
        fmt::format("{}: {}", line_of(file.error().source()), file.error().description()));
  }

  RawValues values;
  for (const auto& [key, node] : file.table()) {
    const std::string source = line_of(key.source());
    std::string name(key.str());
    std::ranges::replace(name, '_', '-');
    const Setting* setting = FindSetting(name);
    if (setting == nullptr) {
      return absl::InvalidArgumentError(fmt::format("{}: unknown key {}; {}", source, Quote(key.str()), Advice(name)));
    }
    const auto texts = ToTexts(node, setting->repeatable);
    if (!texts) {
      return absl::InvalidArgumentError(fmt::format("{}: {}: expected a string, an integer or a boolean{}", source,
                                                    name, setting->repeatable ? ", or an array of them" : ""));
    }
    if (!values.emplace(setting->flag.name, RawValue{.texts = *texts, .source = source}).second) {
      return absl::InvalidArgumentError(fmt::format("{}: {} is given twice", source, name));
    }
  }
  return values;
}

}  // namespace tensorferry::config
