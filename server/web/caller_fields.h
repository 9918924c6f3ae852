#pragma once

#include <grpcpp/client_context.h>

#include <chrono>
#include <optional>
#include <string_view>

#include "http/message.h"

namespace tensorferry::web {

// Gives a call what the request for which it is made says of its caller: `authorization`, `traceparent`, `tracestate` and
// `x-request-id`, the peer's address, and the time that `grpc-timeout` leaves.
void AddCallerFields(const http::Request& from, grpc::ClientContext& context);

// Returns the time of a `grpc-timeout` field, such as `100m`; nothing if the text is none.
std::optional<std::chrono::nanoseconds> ParseGrpcTimeout(std::string_view text);

}  // namespace tensorferry::web
