#pragma once

#include "rpc/serve/call_chain.h"
#include "rpc/serve/call_gate.h"
#include "security/reloaded.h"
#include "security/tokens.h"

namespace tensorferry::rpc {

// Makes the steps through which every call goes, in their order. Borrows its arguments. Without `tokens` nobody is asked
// for a token.
CallChain::Steps MakeCallSteps(CallGate& gate, const security::Reloaded<security::Tokens>* tokens = nullptr);

}  // namespace tensorferry::rpc
