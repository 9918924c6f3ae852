#pragma once

#include "absl/status/status.h"

namespace tensorferry::cli {

// What the command tells the shell.
enum class ExitCode : int {
  kOk = 0,
  kUsage = 2,
  kBadInput = 3,     // A file cannot be read as arrays.
  kUnreachable = 4,  // No server, or one that is not serving.
  kRefused = 5,      // By the server, or on its behalf by its own checks.
  kDeadline = 6,
  kNotEqual = 7,  // dtype or digest of the tensor are not those of the array.
  kInternal = 70,
};

// The code of a failed call.
ExitCode ExitCodeOf(const absl::Status& failed_call);

// What a run ends with that had both: kNotEqual goes before kRefused, and that before what was not answered at all; of
// two that are alike the first.
ExitCode Worse(ExitCode first, ExitCode second);

}  // namespace tensorferry::cli
