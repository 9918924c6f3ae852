#pragma once

#include <span>
#include <string>

#include "tracing/call_spans.h"
#include "tracing/trace_settings.h"

namespace tensorferry::tracing {

// Returns the spans of these requests as OpenTelemetry's ExportTraceServiceRequest, in the JSON of OTLP/HTTP: ids in
// hexadecimal, 64-bit numbers as text, enumerations as numbers.
std::string ToOtlpJson(std::span<const CallSpans> calls, const TraceSettings& settings);

}  // namespace tensorferry::tracing
