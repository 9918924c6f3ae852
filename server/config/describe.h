#pragma once

#include <string>

#include "config/resolve.h"

namespace tensorferry::config {

// The text of --help.
std::string HelpText();

// The text of --print-config: a TOML file that sets `resolved.config`, one line per setting with the value's source,
// warnings as comments above.
std::string PrintConfig(const Resolved& resolved);

}  // namespace tensorferry::config
