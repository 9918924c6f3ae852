#pragma once

#include "rpc/serve/call_chain.h"
#include "rpc/serve/recent_calls.h"

namespace tensorferry::rpc {

// RecentCallsStep records refusals, and the slowest of the requests that bring arrays: others may wait for what they
// ask, as a watch of health does.
class RecentCallsStep final : public CallStep {
 public:
  // Borrows `calls`.
  explicit RecentCallsStep(RecentCalls& calls) : calls_(calls) {}

  void End(const CallInfo& call, const absl::Status& status) const override;

 private:
  RecentCalls& calls_;
};

}  // namespace tensorferry::rpc
