// What a caller says of his call in its metadata.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "rpc/serve/async_call.h"
#include "rpc/serve/call_chain.h"
#include "tracing/trace_context.h"

namespace tensorferry::rpc {

// Returns the caller's place in a trace, from `traceparent`. Nothing: it sends none, or one that is malformed.
std::optional<tracing::TraceParent> TraceParentOf(const AsyncCall& call);

// Returns the caller's name for the request: its request_id, or else its `x-request-id`. Borrowed as CallRecord is.
std::string_view RequestIdOf(const CallInfo& call);

// Return what the log tells of a call: of the caller's name for the request no more than 128 bytes, and the trace's id,
// empty if there is none.
std::string LoggedRequestId(const CallInfo& call);
std::string LoggedTraceId(const CallInfo& call);

}  // namespace tensorferry::rpc
