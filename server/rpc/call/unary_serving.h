// How a request by itself is served, whatever its form.
#pragma once

#include <optional>
#include <utility>

#include "base/status.h"
#include "rpc/call/model_request.h"
#include "rpc/serve/async_call.h"
#include "rpc/serve/call_slots.h"
#include "rpc/serve/error.h"
#include "rpc/serve/guarded.h"
#include "rpc/serve/serving_queue.h"
#include "rpc/serve/worker_pool.h"
#include "rpc/wire/wire_writer.h"

namespace tensorferry::rpc {

// The memory of a message that a call goes on to need; the rest is given back.
template <typename Message>
HeldMessage HoldFor(const Intake& call, Message& message) {
  if (call.needs_message()) return message.Hold();
  message.Clear();
  return {};
}

// `Form`: one for each coroutine; what a request says and is answered with, as ConvertForm.
// `expect`: the service's Request… method, bound to a queue; see AsyncUnaryCall::Next.
template <typename Form, typename Environment, typename Expect>
Detached ServeRequest(ServingQueue& queue, WorkerPool& copiers, CallSlots& slots, const Environment& environment,
                      Expect expect) {
  CallSlots::Slot slot(slots);
  AsyncUnaryCall<typename Form::Message, grpc::ByteBuffer> call;
  Form form(environment);
  WireWriter writer;
  std::optional<ModelRequest> run;
  do {
    if (!co_await call.Next(expect)) co_return;
    slot.Arrived();
    if (call.request.bytes.Length() >= kLongCopy) co_await copiers.Enter();
    absl::StatusOr<Intake> started = Guarded([&] { return form.Start(call.request); });
    if (started.ok() && started->runs_model()) {
      HeldMessage held = HoldFor(*started, call.request);
      run.emplace(*std::move(started), std::move(held), call);
      run->Submit(queue);
      co_await run->finished;
    } else {
      call.request.Clear();
    }
    absl::StatusOr<Response> answer = Guarded([&]() -> absl::StatusOr<Response> {
      if (run) return run->TakeResponse();
      TENSORFERRY_RETURN_IF_ERROR(started.status());
      TENSORFERRY_RETURN_IF_ERROR(call.CheckCaller());
      return (*std::move(started)).Finish();
    });
    const absl::StatusOr<grpc::ByteBuffer> reply = Guarded([&]() -> absl::StatusOr<grpc::ByteBuffer> {
      TENSORFERRY_RETURN_IF_ERROR(answer.status());
      return form.Encode(*answer, writer);
    });
    run.reset();
    form.LetGo();
    const grpc::Status end = Form::EndOf(reply.status());
    const grpc::ByteBuffer nothing;
    co_await call.Finish(end, reply.ok() ? *reply : nothing);
    co_await call.done;
  } while (slot.WaitAgain());
}

}  // namespace tensorferry::rpc
