#pragma once

#include "absl/status/status.h"

namespace tensorferry::cli {

// ExitCode is what the command tells the shell.
enum class ExitCode : int {
  kOk = 0,
  kUsage = 2,
  kBadInput = 3,     // A file cannot be read as arrays.
  kUnreachable = 4,  // No server, or one that is not serving.
  kRefused = 5,      // Refused by the server, or by the command's own checks on its behalf.
  kDeadline = 6,
  kNotEqual = 7,  // The dtype or the digest of the tensor differs from that of the array.
  kInternal = 70,
};

// ExitCodeOf returns the code for a failed call.
ExitCode ExitCodeOf(const absl::Status& failed_call);

// Worse returns the exit code of a run that met both: kInternal rather than kNotEqual, kNotEqual rather than kRefused,
// and kRefused rather than any other failure. Between two others it returns `first`.
ExitCode Worse(ExitCode first, ExitCode second);

}  // namespace tensorferry::cli
