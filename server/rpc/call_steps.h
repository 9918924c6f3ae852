#pragma once

#include "rpc/access_log_step.h"
#include "rpc/serve/call_chain.h"
#include "rpc/serve/call_gate.h"
#include "security/reloaded.h"
#include "security/tokens.h"
#include "tracing/span_exporter.h"

namespace tensorferry::rpc {

// CallStepOptions says which steps there are beside those of every server. Everything in it is borrowed.
struct CallStepOptions {
  const security::Reloaded<security::Tokens>* tokens = nullptr;  // Null: nobody is asked for a token.
  tracing::SpanExporter* spans = nullptr;                        // Null: nothing is traced.
  AccessLog access_log = AccessLog::kOff;
};

// Makes the steps through which every call goes, in their order. Borrows `gate`.
CallChain::Steps MakeCallSteps(CallGate& gate, const CallStepOptions& options = {});

}  // namespace tensorferry::rpc
