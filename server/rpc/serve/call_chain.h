// The chain of steps through which every call goes: docs/adr/0017 explains it, and rpc/call_steps.cc lists the steps.
#pragma once

#include <google/protobuf/descriptor.h>

#include <chrono>
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
#include "tracing/call_spans.h"
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
  std::optional<tracing::CallTrace> trace{};    // Set by TraceStep, where spans are exported.
  std::string_view role{};                      // Set by TokenStep: the roles of the caller's token. In static storage.
  std::unique_ptr<tracing::CallSpans> spans{};  // Made by TraceStep if the request's spans are exported.
};

// SentAnswer is the answer to one request as the steps see it once it is sent.
struct SentAnswer {
  CallKind kind;
  bool ok;  // Whether the request was answered well, and not refused.
  // Time from the end of the request until gRPC has sent the answer. Nothing: it was not sent, as the caller is gone.
  std::optional<std::chrono::nanoseconds> duration;
  tracing::CallSpans* spans;  // CallInfo::spans. The step may move from it.
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

  // Called once the answer to a request that has ended is sent, or is given up.
  virtual void Sent(const SentAnswer& /*answer*/) const {}
};

// CallChain holds the steps in their order. Outlives every call.
class CallChain {
 public:
  using Steps = std::vector<std::unique_ptr<CallStep>>;

  explicit CallChain(Steps steps) : steps_(std::move(steps)) {}

  absl::Status Enter(CallInfo& call) const;
  void End(const CallInfo& call, const absl::Status& status) const;
  void Sent(const SentAnswer& answer) const;

 private:
  const Steps steps_;
};

// Sending is the rest of a request's way: its answer is handed to gRPC, which sends it. An answer that nobody reports as
// sent counts as given up.
class Sending {
 public:
  Sending() = default;
  Sending(const CallChain& chain, CallInfo& call, bool ok)
      : chain_(&chain), begin_(call.record.end), kind_(call.kind), ok_(ok), spans_(std::move(call.spans)) {}
  Sending(Sending&& other) noexcept { *this = std::move(other); }
  Sending& operator=(Sending&& other) noexcept {
    Finish(false);
    chain_ = std::exchange(other.chain_, nullptr);
    begin_ = other.begin_;
    kind_ = other.kind_;
    ok_ = other.ok_;
    spans_ = std::move(other.spans_);
    return *this;
  }
  ~Sending() { Finish(false); }

  // Tells every step whether gRPC has sent the answer. Only the first call does.
  void Finish(bool sent) {
    if (chain_ == nullptr) return;
    std::optional<std::chrono::nanoseconds> duration;
    if (sent) duration = CallRecord::Clock::now() - begin_;
    std::exchange(chain_, nullptr)->Sent({kind_, ok_, duration, spans_.get()});
  }

 private:
  const CallChain* chain_ = nullptr;  // Null: there is nothing to tell.
  CallRecord::Clock::time_point begin_{};
  CallKind kind_ = CallKind::kManagement;
  bool ok_ = false;
  std::unique_ptr<tracing::CallSpans> spans_;
};

// Admission is one request's way through the chain, from its arrival until it has ended.
//
//   Admission admission(chain, {method, call, CallKind::kTensors});
//   … handle the request if admission.status() is OK …
//   Sending sending = admission.Finish(status);
//   … hand the answer to gRPC …
//   sending.Finish(sent);
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

  // Tells every step that the request has ended. Called at most once, for a refused request too. Whoever sends the
  // answer keeps the result until then.
  Sending Finish(const absl::Status& status) {
    call_.record.end = CallRecord::Clock::now();
    const CallChain& chain = *std::exchange(chain_, nullptr);
    chain.End(call_, status);
    return {chain, call_, status.ok()};
  }

  // Hands over the pass of the gate to an object that outlives this one. Otherwise the destructor gives the pass back.
  std::optional<CallGate::Pass> TakePass() { return std::exchange(call_.pass, std::nullopt); }

 private:
  const CallChain* chain_;  // Null once the request has ended, or another object has it.
  CallInfo call_;
  absl::Status status_;
};

}  // namespace tensorferry::rpc
