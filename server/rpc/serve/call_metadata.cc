#include "rpc/serve/call_metadata.h"

#include "base/utf8.h"

namespace tensorferry::rpc {

std::optional<tracing::TraceParent> TraceParentOf(const AsyncCall& call) {
  return tracing::ParseTraceparent(call.Metadata("traceparent"));
}

std::string_view RequestIdOf(const CallInfo& call) {
  return call.record.request_id.empty() ? call.caller.Metadata("x-request-id") : call.record.request_id;
}

std::string LoggedRequestId(const CallInfo& call) {
  constexpr std::size_t kMostBytes = 128;
  return Printable(RequestIdOf(call), kMostBytes);
}

std::string LoggedTraceId(const CallInfo& call) {
  if (call.trace) return tracing::Hex(call.trace->trace_id);
  const std::optional<tracing::TraceParent> parent = TraceParentOf(call.caller);
  return parent ? tracing::Hex(parent->trace_id) : "";
}

}  // namespace tensorferry::rpc
