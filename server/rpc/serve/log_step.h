#pragma once

#include "base/log_fields.h"
#include "rpc/serve/call_chain.h"
#include "rpc/serve/call_metadata.h"
#include "rpc/serve/error.h"

namespace tensorferry::rpc {

// LogStep logs the error with which a request ended.
class LogStep final : public CallStep {
 public:
  void End(const CallInfo& call, const absl::Status& status) const override {
    if (status.ok()) return;
    LogError(call.method.name(), status, [&call] {
      LogFields fields{.event = "error"};
      fields.Add("request_id", LoggedRequestId(call));
      fields.Add("trace_id", LoggedTraceId(call));
      return fields;
    });
  }
};

}  // namespace tensorferry::rpc
