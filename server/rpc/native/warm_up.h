#pragma once

#include "absl/status/status.h"
#include "rpc/call/intake.h"

namespace tensorferry::rpc {

// Take a small request through everything but gRPC. Without it the first caller waits while code and memory that were
// never touched are brought in, torch's above all.
// Errors: those of a request.
absl::Status WarmUp(const CallEnvironment& environment);

}  // namespace tensorferry::rpc
