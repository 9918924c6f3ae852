#include "rpc/serve/call_chain.h"

#include "base/status.h"

namespace tensorferry::rpc {

absl::Status CallChain::Enter(CallInfo& call) const {
  for (const auto& step : steps_) TENSORFERRY_RETURN_IF_ERROR(step->Enter(call));
  return absl::OkStatus();
}

void CallChain::End(const CallInfo& call, const absl::Status& status) const {
  for (const auto& step : steps_) step->End(call, status);
}

void CallChain::Sent(const SentAnswer& answer) const {
  for (const auto& step : steps_) step->Sent(answer);
}

}  // namespace tensorferry::rpc
