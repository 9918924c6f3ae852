#pragma once

#include "metrics/request_counts.h"
#include "rpc/access_log_step.h"
#include "rpc/serve/call_chain.h"
#include "rpc/serve/call_gate.h"
#include "rpc/serve/recent_calls.h"
#include "security/reloaded.h"
#include "security/tokens.h"
#include "tracing/span_exporter.h"

namespace tensorferry::rpc {

// CallRecorders record calls. Borrowed; where one is null, nothing is recorded.
struct CallRecorders {
  metrics::RequestCounts* counts = nullptr;  // Made by MakeRequestCounts.
  RecentCalls* recent_calls = nullptr;       // The last refusals and slow requests.
  tracing::SpanExporter* spans = nullptr;    // Where the spans of requests go.
  AccessLog access_log = AccessLog::kOff;
};

// Makes the steps through which every call goes, in their order. Borrows its arguments. Without `tokens` nobody is asked
// for a token.
CallChain::Steps MakeCallSteps(CallGate& gate, const security::Reloaded<security::Tokens>* tokens = nullptr,
                               const CallRecorders& recorders = {});

}  // namespace tensorferry::rpc
