#pragma once

#include "base/status.h"
#include "rpc/serve/call_chain.h"

namespace tensorferry::rpc {

// GateStep counts the requests that bring arrays, and refuses what the gate is closed to.
class GateStep final : public CallStep {
 public:
  // Borrows `gate`.
  explicit GateStep(CallGate& gate) : gate_(gate) {}

  // Errors: DRAINING.
  absl::Status Enter(CallInfo& call) const override {
    if (call.kind != CallKind::kTensors) return gate_.EnterAside();
    TENSORFERRY_ASSIGN_OR_RETURN(call.pass, gate_.Enter());
    return absl::OkStatus();
  }

 private:
  CallGate& gate_;
};

}  // namespace tensorferry::rpc
