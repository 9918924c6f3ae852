#pragma once

#include "rpc/serve/call_chain.h"
#include "rpc/serve/call_gate.h"

namespace tensorferry::rpc {

// Makes the steps through which every call goes, in their order. Borrows `gate`.
CallChain::Steps MakeCallSteps(CallGate& gate);

}  // namespace tensorferry::rpc
