#include "rpc/call_steps.h"

#include <memory>

#include "rpc/serve/deadline_step.h"
#include "rpc/serve/gate_step.h"
#include "rpc/serve/log_step.h"
#include "rpc/token_step.h"
#include "rpc/trace_step.h"

namespace tensorferry::rpc {

// Each step has one line. TraceStep comes first, as each request has a place in a trace, a refused one too. The steps
// before LogStep may refuse a request, the cheapest first. LogStep and the steps after it only record.
CallChain::Steps MakeCallSteps(CallGate& gate, const CallStepOptions& options) {
  CallChain::Steps steps;
  if (options.spans != nullptr) steps.push_back(std::make_unique<TraceStep>(*options.spans));
  steps.push_back(std::make_unique<GateStep>(gate));
  steps.push_back(std::make_unique<DeadlineStep>());
  if (options.tokens != nullptr) steps.push_back(std::make_unique<TokenStep>(*options.tokens));
  steps.push_back(std::make_unique<LogStep>());
  if (options.access_log != AccessLog::kOff) steps.push_back(std::make_unique<AccessLogStep>(options.access_log));
  return steps;
}

}  // namespace tensorferry::rpc
