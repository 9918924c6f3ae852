#pragma once

#include <string>

#include "config/resolve.h"

namespace tensorferry::config {

// Returns the text of --help.
std::string HelpText();

// Returns a TOML file that sets `resolved.config`. Each setting has one line, with the source of its value; the
// warnings are comments at the top.
std::string PrintConfig(const Resolved& resolved);

}  // namespace tensorferry::config
