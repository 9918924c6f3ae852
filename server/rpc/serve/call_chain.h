// What every call gets: the steps of docs/adr/0017, which rpc/call_steps.cc lists.
#pragma once

#include <google/protobuf/descriptor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "rpc/serve/async_call.h"
#include "rpc/serve/call_gate.h"

namespace tensorferry::rpc {

enum class CallKind : std::uint8_t {
  kTensors,     // Takes in arrays. A server that stops refuses it, and waits for those that have begun.
  kManagement,  // Asks for something or sets it. It is answered to the end, that of a stopping server included.
};

// One request, as the steps see it: a call, or one request of a stream.
struct CallInfo {
  const google::protobuf::MethodDescriptor& method;
  const AsyncCall& caller;  // Its deadline, its metadata, and whether it was cancelled.
  CallKind kind;
  std::optional<CallGate::Pass> pass{};  // Set by GateStep for kTensors.
};

// One concern of every call. A step is made once; its functions are called on any thread, for many requests at a time.
class CallStep {
 public:
  virtual ~CallStep() = default;

  // Called before anything is done for the request. An error refuses it: no later step is entered, no handler is called,
  // and the caller is told the error.
  virtual absl::Status Enter(CallInfo& /*call*/) const { return absl::OkStatus(); }

  // Called once the request is dealt with, and before its caller is told. `status` is the error that it ended with, or OK;
  // a step sees the end of every request, of those too that a step before it has refused.
  virtual void End(const CallInfo& /*call*/, const absl::Status& /*status*/) const {}
};

// The steps, in their order. Outlives every call.
class CallChain {
 public:
  using Steps = std::vector<std::unique_ptr<CallStep>>;

  explicit CallChain(Steps steps) : steps_(std::move(steps)) {}

  absl::Status Enter(CallInfo& call) const;
  void End(const CallInfo& call, const absl::Status& status) const;

 private:
  const Steps steps_;
};

// One request's way through the chain, from its arrival until its answer is sent.
//
//   Admission admission(chain, {method, call, CallKind::kTensors});
//   … handle the request if admission.status() is OK …
//   admission.Finish(status);
class Admission {
 public:
  Admission(const CallChain& chain, CallInfo call) : chain_(chain), call_(std::move(call)) {
    status_ = chain_.Enter(call_);
  }

  // The call that the request came in.
  const AsyncCall& caller() const { return call_.caller; }

  // The error of the step that has refused the request.
  const absl::Status& status() const { return status_; }

  // Ends every step. Called once for each admission, a refused one too.
  void Finish(const absl::Status& status) const { chain_.End(call_, status); }

  // Hands over the pass of the gate to what outlives this; else it is given back with this.
  std::optional<CallGate::Pass> TakePass() { return std::exchange(call_.pass, std::nullopt); }

 private:
  const CallChain& chain_;
  CallInfo call_;
  absl::Status status_;
};

}  // namespace tensorferry::rpc
