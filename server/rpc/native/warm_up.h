#pragma once

#include "absl/status/status.h"
#include "rpc/call/intake.h"

namespace tensorferry::rpc {

// Serves a small request without gRPC. Otherwise the first caller would wait while the system loads code and memory
// that were never used before, torch's above all.
// Errors: those of Intake::Start, Intake::Finish and EncodeResponse.
absl::Status WarmUp(const CallEnvironment& environment);

}  // namespace tensorferry::rpc
