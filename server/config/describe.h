#pragma once

#include <string>

#include "config/resolve.h"

namespace tensorferry::config {

// Returns the text of --help.
std::string HelpText();

// Returns a TOML file that sets `resolved.config`. Each setting has one line, with the source of its value; the
// warnings are comments at the top.
std::string PrintConfig(const Resolved& resolved);

// Returns the same as JSON: `{"settings": [{"name": …, "value": …, "source": …}], "warnings": […]}`. The value of a
// repeatable setting is a list. No setting holds a secret: they name the files that do.
std::string ConfigJson(const Resolved& resolved);

}  // namespace tensorferry::config
