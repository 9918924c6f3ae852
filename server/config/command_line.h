#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "config/raw_values.h"

namespace tensorferry::config {

// Reads the flags among `args`, which do not hold the program's name: `--name=VALUE`, `--name VALUE`, and for switches
// `--name` alone. If a flag that is not repeatable comes twice, the last value counts. A flag of kOtherFlags that takes
// no value gets one empty text.
// Errors: INVALID_ARGUMENT for an argument that is no flag, with the nearest flag; for a flag whose value is missing;
//         for a value that the flag does not take.
absl::StatusOr<RawValues> ParseCommandLine(const std::vector<std::string>& args);

}  // namespace tensorferry::config
