#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "config/raw_values.h"

namespace tensorferry::config {

// The settings in the TOML file at `path`: top-level keys, named as the flags are, `_` as good as `-`; values are
// strings, integers and booleans, for repeatable settings arrays of these too. Errors: INVALID_ARGUMENT with the line
// if the file cannot be read, is not TOML, or holds a key that is no setting (with the nearest) or a value of another
// type.
absl::StatusOr<RawValues> ReadTomlFile(const std::string& path);

}  // namespace tensorferry::config
