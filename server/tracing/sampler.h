#pragma once

#include <cstdint>
#include <optional>

#include "tracing/trace_context.h"

namespace tensorferry::tracing {

// Sampler decides whether the spans of a request are exported, as OpenTelemetry's samplers of these names do.
struct Sampler {
  bool parent_based = true;  // Whether the caller's decision holds where there is one.
  double ratio = 1.0;        // The part of the traces that is sampled otherwise: 1 is always_on, 0 always_off.

  // Programs that decide by the same ratio decide alike, as the decision is taken from the trace's id.
  bool Samples(const TraceId& trace_id, const std::optional<TraceParent>& parent) const;

  bool operator==(const Sampler&) const = default;
};

}  // namespace tensorferry::tracing
