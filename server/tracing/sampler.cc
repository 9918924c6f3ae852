#include "tracing/sampler.h"

namespace tensorferry::tracing {

// OpenTelemetry's implementations compare 63 bits of the id's second half, read as a big-endian number.
bool Sampler::Samples(const TraceId& trace_id, const std::optional<TraceParent>& parent) const {
  if (parent_based && parent) return parent->sampled;
  if (ratio >= 1) return true;
  std::uint64_t number = 0;
  for (std::size_t i = trace_id.size() / 2; i < trace_id.size(); ++i) number = (number << 8) | trace_id[i];
  constexpr double kAll = 9223372036854775808.0;  // 2^63.
  return static_cast<double>(number >> 1) < ratio * kAll;
}

}  // namespace tensorferry::tracing
