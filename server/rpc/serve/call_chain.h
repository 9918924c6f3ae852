// The chain of steps through which every call goes: docs/adr/0017 explains it, and rpc/call_steps.cc lists the steps.
#pragma once

#include <google/protobuf/descriptor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/status.h"
#include "rpc/serve/async_call.h"
#include "rpc/serve/call_gate.h"
#include "rpc/serve/call_record.h"
#include "tracing/trace_context.h"

namespace tensorferry::rpc {

enum class CallKind : std::uint8_t {
  // The call brings arrays. A server that stops refuses it, and waits for the calls of this kind that have begun.
  kTensors,
  kManagement,  // The call asks for something, or sets it. It is served to the end, even while the server stops.
};

// CallInfo is one request as the steps see it: a call, or one request of a stream.
struct CallInfo {
  const google::protobuf::MethodDescriptor& method;
  AsyncCall& caller;  // The call: its deadline, its metadata, and whether it was cancelled.
  CallKind kind;
  std::optional<CallGate::Pass> pass{};  // Set by GateStep for kTensors.
  CallRecord record{};
  std::optional<tracing::CallTrace> trace{};  // Set by TraceStep, where spans are exported.
  std::string_view role{};                    // Set by TokenStep: the roles of the caller's token. In static storage.
};

// CallStep is one concern of every call. A step is made once. Its functions are called on any thread, for many requests
// at a time.
class CallStep {
 public:
  virtual ~CallStep() = default;

  // Called before anything is done for the request. An error refuses the request: no later step is entered, no handler
  // is called, and the caller gets the error.
  virtual absl::Status Enter(CallInfo& /*call*/) const { return absl::OkStatus(); }

  // Called once the request is dealt with, before its caller gets the response. `status` is the error with which the
  // request ended, or OK. Every step sees the end of every request, even of a request that an earlier step has refused.
  virtual void End(const CallInfo& /*call*/, const absl::Status& /*status*/) const {}
};

// CallChain holds the steps in their order. Outlives every call.
class CallChain {
 public:
  using Steps = std::vector<std::unique_ptr<CallStep>>;

  explicit CallChain(Steps steps) : steps_(std::move(steps)) {}

  absl::Status Enter(CallInfo& call) const;
  void End(const CallInfo& call, const absl::Status& status) const;

 private:
  const Steps steps_;
};

// Admission is one request's way through the chain, from its arrival until its response is sent.
//
//   Admission admission(chain, {method, call, CallKind::kTensors});
//   … handle the request if admission.status() is OK …
//   admission.Finish(status);
class Admission {
 public:
  Admission(const CallChain& chain, CallInfo call) : chain_(&chain), call_(std::move(call)) {
    status_ = chain_->Enter(call_);
  }
  Admission(Admission&& other) noexcept
      : chain_(std::exchange(other.chain_, nullptr)),
        call_(std::move(other.call_)),
        status_(std::move(other.status_)) {}
  Admission& operator=(Admission&&) = delete;

  // Ends a request that was left incomplete, with CANCELLED: every step that it has entered sees an end.
  ~Admission() {
    if (chain_ != nullptr) Finish(MakeError(Reason::kCancelled, "the request was left incomplete"));
  }

  // Returns the call in which the request came.
  const AsyncCall& caller() const { return call_.caller; }

  // Returns what the steps will see of the request when it ends. Whoever deals with the request writes it.
  CallRecord& record() { return call_.record; }

  // Returns the error of the step that has refused the request, or OK.
  const absl::Status& status() const { return status_; }

  // Tells every step that the request has ended. Called at most once, for a refused request too.
  void Finish(const absl::Status& status) {
    call_.record.end = CallRecord::Clock::now();
    std::exchange(chain_, nullptr)->End(call_, status);
  }

  // Hands over the pass of the gate to an object that outlives this one. Otherwise the destructor gives the pass back.
  std::optional<CallGate::Pass> TakePass() { return std::exchange(call_.pass, std::nullopt); }

 private:
  const CallChain* chain_;  // Null once the request has ended, or another object has it.
  CallInfo call_;
  absl::Status status_;
};

}  // namespace tensorferry::rpc
