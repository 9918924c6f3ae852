#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/raw_values.h"

namespace tensorferry::config {

// Environment maps the names of environment variables to their values.
using Environment = std::map<std::string, std::string, std::less<>>;

// Returns the name of a flag's variable: `TENSORFERRY_MAX_MESSAGE_BYTES` for `max-message-bytes`.
std::string EnvironmentName(std::string_view flag_name);

// Returns the variables of `block` that begin with TENSORFERRY_. `block` has the form of POSIX's `environ`.
Environment OwnEnvironment(const char* const* block);

struct EnvironmentValues {
  RawValues values;
  std::vector<std::string> warnings;  // One line for each variable that has our prefix and is no setting.
};

// Reads the settings in `environment`, and kConfigFlag. Commas separate the values of repeatable settings. An empty
// variable counts as unset, because many deployment tools cannot leave a variable out.
//
// An unknown name is a warning, not an error: other programs may put names with our prefix into a shared environment.
EnvironmentValues ReadEnvironment(const Environment& environment);

}  // namespace tensorferry::config
