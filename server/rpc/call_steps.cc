#include "rpc/call_steps.h"

#include <memory>

#include "rpc/serve/deadline_step.h"
#include "rpc/serve/gate_step.h"
#include "rpc/serve/log_step.h"
#include "rpc/serve/recent_calls_step.h"
#include "rpc/token_step.h"

namespace tensorferry::rpc {

// Each step has one line. The steps before LogStep may refuse a request, the cheapest first. The steps after LogStep
// only record: a trace, then counts.
CallChain::Steps MakeCallSteps(CallGate& gate, const security::Reloaded<security::Tokens>* tokens,
                               RecentCalls* recent_calls) {
  CallChain::Steps steps;
  steps.push_back(std::make_unique<GateStep>(gate));
  steps.push_back(std::make_unique<DeadlineStep>());
  if (tokens != nullptr) steps.push_back(std::make_unique<TokenStep>(*tokens));
  steps.push_back(std::make_unique<LogStep>());
  if (recent_calls != nullptr) steps.push_back(std::make_unique<RecentCallsStep>(*recent_calls));
  return steps;
}

}  // namespace tensorferry::rpc
