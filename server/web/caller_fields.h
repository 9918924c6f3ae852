#pragma once

#include <grpcpp/client_context.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "http/message.h"

namespace tensorferry::web {

// Gives a call what the request for which it is made says of its caller: `authorization`, `traceparent`, `tracestate` and
// `x-request-id`, the peer's address and the name of his certificate, and the time that `grpc-timeout` leaves. So it does
// with what the request has of the memory budget: its body, and `held_besides` bytes.
void AddCallerFields(const http::Request& from, grpc::ClientContext& context, std::uint64_t held_besides = 0);

// Gives an answer the `traceresponse` field that the call, which has ended, has had with its status: there is one if the
// call's trace is sampled.
void AddTraceResponse(const grpc::ClientContext& context, http::Response& response);

// Returns the time of a `grpc-timeout` field, such as `100m`; nothing if the text is none.
std::optional<std::chrono::nanoseconds> ParseGrpcTimeout(std::string_view text);

}  // namespace tensorferry::web
