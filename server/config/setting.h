// The one table of settings: the flags, the environment variables, the keys of the file, --help and --print-config are
// all made from it.
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
  std::string_view name;   // Such as `max-message-bytes`.
  std::string_view value;  // The name of the value in --help; empty: the flag takes no value.
  std::string_view help;   // One line for --help.
  std::string_view alias;  // A second name of the flag; empty: it has none.
};

struct Setting {
  Flag flag;
  std::string_view computed_default;  // Says in words how the default depends on the machine; else empty.
  bool repeatable;
  bool is_switch;  // The flag without a value means `on`.

  // Reads and checks the texts, and stores the values in `config`. There is exactly one text unless the setting is
  // repeatable.
  // Errors: INVALID_ARGUMENT, saying what was expected and what came.
  std::function<absl::Status(const std::vector<std::string>& texts, Config& config)> set;
  // Returns texts from which `set` reads the values that `config` holds.
  std::function<std::vector<std::string>(const Config& config)> get;
};

// Returns the table in the order of --help.
const std::vector<Setting>& Settings();

// Returns null if no setting has that name or alias.
const Setting* FindSetting(std::string_view name);

// These flags are no settings: `config` names the file of settings, and the others ask for a text instead of a server.
// Only `config` has an environment variable, and none is a key of the file.
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
