#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "base/status.h"
#include "rpc/call/model_request.h"
#include "rpc/call/protocol.h"
#include "rpc/call/record.h"
#include "rpc/serve/call_chain.h"
#include "rpc/serve/call_resources.h"
#include "rpc/serve/call_slots.h"
#include "rpc/serve/error.h"
#include "rpc/serve/guarded.h"
#include "rpc/serve/unary_call.h"
#include "rpc/wire/outgoing_message.h"
#include "rpc/wire/wire_writer.h"

namespace tensorferry::rpc {

// Takes the request of a call in, if the chain has admitted it.
// Errors: that of the step that has refused the request; those of the protocol's Start.
template <RequestProtocol P>
absl::StatusOr<Intake> StartRequest(P& protocol, typename P::Message& message, Admission& admission) {
  RecordMessage(message.bytes.Length(), admission.record());
  return Guarded([&]() -> absl::StatusOr<Intake> {
    TENSORFERRY_RETURN_IF_ERROR(admission.status());
    return protocol.Start(message, admission);
  });
}

// Returns whether StartRequest has left something to a thread of the WorkerPool.
inline bool IsLong(const absl::StatusOr<Intake>& intake) { return intake.ok() && intake->is_long(); }

// Takes in what StartRequest has left, if it has left something.
// Errors: those of Intake::GoOn.
inline void GoOn(absl::StatusOr<Intake>& intake) {
  if (!IsLong(intake)) return;
  const absl::Status taken = Guarded([&] { return intake->GoOn(); });
  if (!taken.ok()) intake = taken;
}

// Answers a request that no model runs, or that is refused.
// Errors: those of `intake`, of the caller, and of Intake::Finish.
inline absl::StatusOr<Response> FinishRequest(absl::StatusOr<Intake>& intake, const AsyncCall& call) {
  return Guarded([&]() -> absl::StatusOr<Response> {
    TENSORFERRY_RETURN_IF_ERROR(intake.status());
    TENSORFERRY_RETURN_IF_ERROR(call.CheckCaller());
    return (*std::move(intake)).Finish();
  });
}

// Serves the calls of a unary method, one after another.
// `P` is made once, from `environment`. `made` brings the calls.
template <RequestProtocol P, typename Environment>
Detached ServeRequest(CallResources resources, CallSlots& slots, const Environment& environment,
                      std::unique_ptr<UnaryCall> made) {
  CallSlots::Slot slot(slots);
  const std::unique_ptr<UnaryCall> owned = std::move(made);  // Ends before the slot does.
  UnaryCall& call = *owned;
  typename P::Message request;
  WaitLimit::Member waits(resources.waits, &call);
  P protocol(environment);
  WireWriter writer;
  std::optional<ModelRequest> run;
  do {
    if (!co_await call.Next(request.bytes)) co_return;
    slot.Arrived();
    if (request.is_long()) co_await resources.copiers.Enter();
    Admission admission(protocol.chain(), {P::Method(), call, CallKind::kTensors});
    absl::StatusOr<Intake> intake = StartRequest(protocol, request, admission);
    if (IsLong(intake)) co_await resources.copiers.Enter();
    GoOn(intake);
    absl::StatusOr<Response> response;
    if (intake.ok() && intake->runs_model()) {
      HeldMessage held = HoldFor(*intake, request);
      run.emplace(*std::move(intake), std::move(held), call);
      run->Submit();
      co_await run->finished;
      response = Guarded([&] { return run->TakeResponse(); });
      if (response.ok() && protocol.IsLongToAnswer(response->result)) co_await resources.copiers.Enter();
    } else {
      request.Clear();
      response = FinishRequest(intake, call);
    }
    EncodedResponse encoded = EndRequest(protocol, admission, response, writer);
    // While the answer waits for its caller, nothing is kept but what is sent.
    run.reset();
    intake = absl::UnknownError("");
    response = absl::UnknownError("");
    const OutgoingMessage message = encoded.Next().value_or(OutgoingMessage());
    call.Finish(EndOfCall(encoded.end(), call), message.bytes(), message.kept());
    encoded.TakeSending().Finish(co_await waits.OrCancel(call.finished, call));  // What nobody reads holds memory.
    co_await call.done;
  } while (slot.WaitAgain());
}

}  // namespace tensorferry::rpc
