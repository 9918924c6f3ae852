#include "rpc/call_steps.h"

#include <memory>

#include "rpc/metrics_step.h"
#include "rpc/serve/deadline_step.h"
#include "rpc/serve/gate_step.h"
#include "rpc/serve/log_step.h"
#include "rpc/serve/recent_calls_step.h"
#include "rpc/token_step.h"
#include "rpc/trace_step.h"

namespace tensorferry::rpc {

// Each step has one line. TraceStep and MetricsStep see what comes, a refused request too, so they stand before those that
// may refuse a request, the cheapest first. LogStep and those behind it only record.
CallChain::Steps MakeCallSteps(CallGate& gate, const security::Reloaded<security::Tokens>* tokens,
                               const CallRecorders& recorders) {
  CallChain::Steps steps;
  if (recorders.spans != nullptr) steps.push_back(std::make_unique<TraceStep>(*recorders.spans));
  if (recorders.counts != nullptr) steps.push_back(std::make_unique<MetricsStep>(*recorders.counts));
  steps.push_back(std::make_unique<GateStep>(gate));
  steps.push_back(std::make_unique<DeadlineStep>());
  if (tokens != nullptr) steps.push_back(std::make_unique<TokenStep>(*tokens));
  steps.push_back(std::make_unique<LogStep>());
  if (recorders.recent_calls != nullptr) {
    steps.push_back(std::make_unique<RecentCallsStep>(*recorders.recent_calls));
  }
  if (recorders.access_log != AccessLog::kOff) steps.push_back(std::make_unique<AccessLogStep>(recorders.access_log));
  return steps;
}

}  // namespace tensorferry::rpc
