#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "config/raw_values.h"

namespace tensorferry::config {

// The flags among `args`, the program's name left out: `--name=VALUE`, `--name VALUE`, and for switches `--name` alone.
// Where a flag that is not repeatable comes twice, the last one counts. Those of kOtherFlags that take no value have
// one empty text.
// Errors: INVALID_ARGUMENT for what is no flag, with the nearest one, and for a value that is missing or too many.
absl::StatusOr<RawValues> ParseCommandLine(const std::vector<std::string>& args);

}  // namespace tensorferry::config
