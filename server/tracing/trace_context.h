#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tensorferry::tracing {

using TraceId = std::array<std::uint8_t, 16>;
using SpanId = std::array<std::uint8_t, 8>;

// TraceParent is what a W3C `traceparent` says: the trace, and the caller's span in it.
struct TraceParent {
  TraceId trace_id;
  SpanId span_id;
  bool sampled;  // Whether the caller records its span.

  bool operator==(const TraceParent&) const = default;
};

// CallTrace is the place of one request in its trace.
struct CallTrace {
  TraceId trace_id;
  SpanId span_id;                     // That of the server's own span.
  std::optional<SpanId> parent_id{};  // The caller's span. Nothing: the trace begins here.
  bool sampled;                       // Whether the server's spans are exported.
};

// Reads a `traceparent` as W3C's Trace Context has it: version 00 in its exact form; of a later version the part that 00
// defines. Returns nothing for any other text: who gets it begins a trace of its own.
std::optional<TraceParent> ParseTraceparent(std::string_view text);

// Writes the place in W3C's form, of version 00: what a called program gets as `traceparent`, and a caller gets as
// `traceresponse`.
std::string FormatTraceparent(const CallTrace& trace);

// Returns the place of a request whose caller sent `parent`, or that begins a trace. `sampled` is left false.
CallTrace MakeCallTrace(const std::optional<TraceParent>& parent);

SpanId MakeSpanId();

// Returns the bytes as lower-case hexadecimal digits.
std::string Hex(const TraceId& id);
std::string Hex(const SpanId& id);

}  // namespace tensorferry::tracing
