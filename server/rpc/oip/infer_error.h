#pragma once

#include "absl/status/status.h"

namespace tensorferry::rpc {

// Returns `error` in the words that clients of the protocol look for.
absl::Status InferError(const absl::Status& error);

}  // namespace tensorferry::rpc
