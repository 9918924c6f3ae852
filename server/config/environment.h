#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/raw_values.h"

namespace tensorferry::config {

// Environment variables by name.
using Environment = std::map<std::string, std::string, std::less<>>;

// `TENSORFERRY_MAX_MESSAGE_BYTES` for `max-message-bytes`.
std::string EnvironmentName(std::string_view flag_name);

// The variables of `block`, which has the form of POSIX's `environ`, that begin with TENSORFERRY_.
Environment OwnEnvironment(const char* const* block);

struct EnvironmentValues {
  RawValues values;
  std::vector<std::string> warnings;  // One line for each variable that has our prefix and means nothing.
};

// The settings in `environment`, and kConfigFlag. Values of repeatable settings are separated by commas. An empty
// variable counts as unset, which is how many a deployment tool spells that.
//
// An unknown name is no error: an environment is shared, and what else may stand in it is not the server's to say.
EnvironmentValues ReadEnvironment(const Environment& environment);

}  // namespace tensorferry::config
