#pragma once

#include "rpc/serve/call_chain.h"
#include "rpc/serve/call_gate.h"

namespace tensorferry::rpc {

// The steps that every call goes through, in their order. Borrows `gate`.
CallChain::Steps MakeCallSteps(CallGate& gate);

}  // namespace tensorferry::rpc
