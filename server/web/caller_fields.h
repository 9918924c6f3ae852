#pragma once

#include <grpcpp/client_context.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "http/message.h"
#include "rpc/serve/local_call.h"

namespace tensorferry::web {

// Returns the caller for whom a request's calls are made: `authorization`, `traceparent`, `tracestate` and `x-request-id` are
// his metadata, and `grpc-timeout` leaves him time. His request has of the memory budget its body, and `held_besides` bytes.
std::shared_ptr<rpc::LocalCaller> CallerOf(const http::Request& from, std::uint64_t held_besides = 0);

// Gives a call on the in-process channel what CallerOf tells of its caller.
void AddCallerFields(const http::Request& from, grpc::ClientContext& context);

// Gives an answer the `traceresponse` field that the call, which has ended, has had with its status: there is one if the
// call's trace is sampled.
void AddTraceResponse(const rpc::LocalMetadata& metadata, http::Response& response);

// Returns the time that the `grpc-timeout` field of a request leaves, a year at most; nothing if it has none, several, or
// one that is no time.
std::optional<std::chrono::nanoseconds> TimeoutOf(const http::Request& from);

// Returns the time of a `grpc-timeout` field, such as `100m`; nothing if the text is none.
std::optional<std::chrono::nanoseconds> ParseGrpcTimeout(std::string_view text);

}  // namespace tensorferry::web
