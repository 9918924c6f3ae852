#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "tracing/call_spans.h"
#include "tracing/trace_settings.h"

namespace tensorferry::tracing {

// SpanExporter sends spans to a collector from a thread of its own, so that no call waits for the collector. At most
// kMostWaiting requests wait; the spans of further ones are dropped, as are those that the collector does not take. They
// are counted. After a failure the thread waits, longer each time, or for as long as the collector asks.
// Threads:  any may call Add.
// Errors:   the constructor throws NoThread.
// Lifetime: the destructor does not wait for the collector: its thread may go on until its timeout.
class SpanExporter {
 public:
  static constexpr std::size_t kMostWaiting = 2048;
  static constexpr std::size_t kMostInBatch = 512;
  static constexpr std::chrono::milliseconds kInterval{1000};  // From a request's end until its spans are sent.

  explicit SpanExporter(TraceSettings settings);
  SpanExporter(const SpanExporter&) = delete;
  SpanExporter& operator=(const SpanExporter&) = delete;
  ~SpanExporter();

  const Sampler& sampler() const;

  // Takes the spans of one request, or drops them.
  void Add(CallSpans call);

  // Sends what waits, and returns once it is sent or dropped, at the latest after `most`.
  void Flush(std::chrono::milliseconds most);

  // Return how many requests' spans the collector has taken, and how many were dropped.
  std::uint64_t exported() const;
  std::uint64_t dropped() const;

 private:
  struct State;

  const std::shared_ptr<State> state_;  // Shared with the thread, which may outlive this object.
};

}  // namespace tensorferry::tracing
