#pragma once

#include "rpc/serve/call_chain.h"
#include "tracing/span_exporter.h"

namespace tensorferry::rpc {

// TraceStep gives each request its place in the caller's trace, or in one of its own, and exports its spans if it is
// sampled. The caller of a unary method is told of a sampled trace by `traceresponse`, in the metadata that come with the
// status. The step stands before those that refuse, so that refused requests have spans, too.
class TraceStep final : public CallStep {
 public:
  // Borrows `exporter`.
  explicit TraceStep(tracing::SpanExporter& exporter) : exporter_(exporter) {}

  absl::Status Enter(CallInfo& call) const override;
  void End(const CallInfo& call, const absl::Status& status) const override;
  void Sent(const SentAnswer& answer) const override;

 private:
  tracing::SpanExporter& exporter_;
};

}  // namespace tensorferry::rpc
