#pragma once

#include "rpc/serve/call_chain.h"
#include "rpc/serve/error.h"

namespace tensorferry::rpc {

// Logs the error that a request ended with.
class LogStep final : public CallStep {
 public:
  void End(const CallInfo& call, const absl::Status& status) const override {
    if (!status.ok()) LogError(call.method.name(), status);
  }
};

}  // namespace tensorferry::rpc
