#pragma once

#include "metrics/request_counts.h"
#include "rpc/serve/call_chain.h"
#include "rpc/serve/call_gate.h"
#include "security/reloaded.h"
#include "security/tokens.h"

namespace tensorferry::rpc {

// Makes the steps through which every call goes, in their order. Borrows its arguments. Without `tokens` nobody is asked
// for a token; without `counts` nothing is counted.
CallChain::Steps MakeCallSteps(CallGate& gate, const security::Reloaded<security::Tokens>* tokens = nullptr,
                               metrics::RequestCounts* counts = nullptr);

}  // namespace tensorferry::rpc
