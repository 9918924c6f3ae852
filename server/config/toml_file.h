#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "config/raw_values.h"

namespace tensorferry::config {

// Reads the settings in the TOML file at `path`. Its keys are at the top level and named as the flags are, with `_` or
// `-`. Values are strings, integers and booleans; a repeatable setting has an array of them.
// Errors: INVALID_ARGUMENT with the line, if the file cannot be read or is not TOML, or if it holds a key that is no
//         setting (with the nearest name) or a value of another type.
absl::StatusOr<RawValues> ReadTomlFile(const std::string& path);

}  // namespace tensorferry::config
