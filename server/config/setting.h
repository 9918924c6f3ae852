// The one table of settings: flags, environment variables, keys of the file, --help and --print-config come from it.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "config/config.h"

namespace tensorferry::config {

struct Flag {
  std::string_view name;   // `max-message-bytes`.
  std::string_view value;  // What --help calls its value; empty: it takes none.
  std::string_view help;   // One line.
  std::string_view alias;  // Another name of it; empty: none.
};

struct Setting {
  Flag flag;
  std::string_view computed_default;  // In words, where the default depends on the machine.
  bool repeatable;
  bool is_switch;  // The bare flag means `on`.

  // Read and check the texts, of which there is exactly one unless the setting is repeatable, and store them.
  // Errors: INVALID_ARGUMENT, saying what was expected and what came.
  std::function<absl::Status(const std::vector<std::string>& texts, Config& config)> set;
  // The texts that `set` reads back to what `config` holds.
  std::function<std::vector<std::string>(const Config& config)> get;
};

// Settings returns the table in the order of --help.
const std::vector<Setting>& Settings();

// FindSetting returns null if no setting has that name or alias.
const Setting* FindSetting(std::string_view name);

// Flags that say what to do instead of how. Only `config` has an environment variable too, and none is a key of the
// file.
inline constexpr std::string_view kConfigFlag = "config";
inline constexpr std::string_view kPrintConfigFlag = "print-config";
inline constexpr std::string_view kVersionFlag = "version";
inline constexpr std::string_view kHelpFlag = "help";
inline constexpr auto kOtherFlags = std::to_array<Flag>({
    {kConfigFlag, "FILE", "TOML file with settings"},
    {kPrintConfigFlag, "", "print every setting with its source, as a TOML file, and exit"},
    {kVersionFlag, "", "print the version and exit"},
    {kHelpFlag, "", "print this text and exit"},
});

}  // namespace tensorferry::config
