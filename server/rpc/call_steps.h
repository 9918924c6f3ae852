#pragma once

#include "rpc/serve/call_chain.h"
#include "rpc/serve/call_gate.h"
#include "rpc/serve/recent_calls.h"
#include "security/reloaded.h"
#include "security/tokens.h"

namespace tensorferry::rpc {

// Makes the steps through which every call goes, in their order. Borrows its arguments. Without `tokens` nobody is asked
// for a token, and without `recent_calls` they are not recorded.
CallChain::Steps MakeCallSteps(CallGate& gate, const security::Reloaded<security::Tokens>* tokens = nullptr,
                               RecentCalls* recent_calls = nullptr);

}  // namespace tensorferry::rpc
