#pragma once

#include <grpcpp/support/status.h>

#include <string>

#include "http/error_response.h"
#include "http/message.h"

namespace tensorferry::web {

// Returns `{"error": MESSAGE, "status": …, "reason": …, "details": {"expected": …, "actual": …}}`. Triton's clients read
// `error` as a text.
std::string ErrorBody(const http::Problem& problem);

// Returns the answer to a request whose call has failed: the status of HTTP that belongs to gRPC's code, and the reason
// and the details of the error.
http::Response ErrorOf(const grpc::Status& status);

}  // namespace tensorferry::web
