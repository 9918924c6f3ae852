// Our errors as gRPC carries them and as the log states them. LogError is the only function of rpc/ that logs the error
// of a request; FinalStatus and the protocols' refusals inside a stream call it.
#pragma once

#include <grpcpp/support/status.h>

#include <string_view>

#include "absl/status/status.h"
#include "base/status.h"

namespace tensorferry::rpc {

// What the caller may see of `error`: texts in printable ASCII, short enough for gRPC's trailers, and no words of a
// library.
Failure FailureForCaller(const absl::Status& error);

// gRPC's number of a failure's code.
int CodeOf(const Failure& failure);

// `error` as the status of a call: the details hold google.rpc.ErrorInfo, and RetryInfo where a retry helps.
grpc::Status ToGrpcStatus(const absl::Status& error);

// The status with which a call of `method` ends. An error is logged.
grpc::Status FinalStatus(std::string_view method, const absl::Status& status);

// Writes one line into the log. A refusal has the level debug; a failure of ours is a warning, which ends with the
// library's own words where there are any.
void LogError(std::string_view method, const absl::Status& error);

}  // namespace tensorferry::rpc
