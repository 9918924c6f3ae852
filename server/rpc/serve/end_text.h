#pragma once

#include <google/protobuf/descriptor.h>

#include <string>

#include "absl/status/status.h"

namespace tensorferry::rpc {

// Returns `package.Service/Method`, the path of the method without its first slash.
std::string MethodText(const google::protobuf::MethodDescriptor& method);

// EndText says with what a request ended, as logs and traces have it.
struct EndText {
  std::string code;     // The name of gRPC's code: "OK", "INVALID_ARGUMENT".
  std::string reason;   // As in docs/errors.md; empty for OK.
  std::string message;  // As the caller gets it; empty for OK.
  bool is_fault;        // Whether the server is at fault, by OpenTelemetry's conventions for gRPC, and not the caller.
};

EndText TextOfEnd(const absl::Status& status);

}  // namespace tensorferry::rpc
