#pragma once

#include <grpcpp/support/status.h>

#include <string_view>

#include "absl/status/status.h"
#include "rpc/serve/error.h"

namespace tensorferry::rpc {

// What a call ends with; errors are logged.
inline grpc::Status EndOf(std::string_view method, const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  LogError(method, status);
  return ToGrpcStatus(status);
}

}  // namespace tensorferry::rpc
