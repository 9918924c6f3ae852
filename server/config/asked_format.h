#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "config/environment.h"

namespace tensorferry::config {

// Returns the format that flags, environment or file ask for, in which an error of Resolve is told. It is read past any
// mistake in the rest; what cannot be read asks for nothing.
LogFormat AskedLogFormat(const std::vector<std::string>& args, const Environment& environment);

}  // namespace tensorferry::config
