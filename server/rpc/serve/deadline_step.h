#pragma once

#include "rpc/serve/call_chain.h"

namespace tensorferry::rpc {

// DeadlineStep refuses a request whose caller has stopped waiting.
class DeadlineStep final : public CallStep {
 public:
  // Errors: DEADLINE, CANCELLED.
  absl::Status Enter(CallInfo& call) const override { return call.caller.CheckCaller(); }
};

}  // namespace tensorferry::rpc
