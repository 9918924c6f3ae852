// Our errors as gRPC and protobuf carry them. The one place where they are logged.
#pragma once

#include <grpcpp/support/status.h>

#include <string_view>

#include "absl/status/status.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::rpc {

// For a unary call, or the end of a stream: google.rpc.ErrorInfo, and RetryInfo where a retry helps, in the details.
grpc::Status ToGrpcStatus(const absl::Status& error);

// For a response inside a stream.
v1::Error ToProtoError(const absl::Status& error);

// One line in the log: refusals at debug level, failures of ours as warnings with the library's own words.
void LogError(std::string_view method, const absl::Status& error);

}  // namespace tensorferry::rpc
