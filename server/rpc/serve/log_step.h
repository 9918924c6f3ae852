#pragma once

#include "rpc/serve/call_chain.h"
#include "rpc/serve/error.h"

namespace tensorferry::rpc {

// LogStep logs the error with which a request ended.
class LogStep final : public CallStep {
 public:
  void End(const CallInfo& call, const absl::Status& status) const override {
    if (!status.ok()) LogError(call.method.name(), status);
  }
};

}  // namespace tensorferry::rpc
