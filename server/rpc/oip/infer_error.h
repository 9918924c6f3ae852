#pragma once

#include <grpcpp/support/status.h>

#include <string_view>

#include "absl/status/status.h"

namespace tensorferry::rpc {

// `error` in the words that clients of the protocol look for.
absl::Status InferError(const absl::Status& error);

// What a call ends with, in the words that clients of the protocol look for; errors are logged.
grpc::Status InferEndOf(std::string_view method, const absl::Status& status);

}  // namespace tensorferry::rpc
