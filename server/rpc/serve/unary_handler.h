#pragma once

#include "rpc/serve/async_call.h"
#include "rpc/serve/call_slots.h"
#include "rpc/serve/error.h"
#include "rpc/serve/guarded.h"

namespace tensorferry::rpc {

// Serves one ordinary unary method, one call after another.
//
// `expect`: the service's Request… method, bound to a queue; see AsyncUnaryCall::Next.
// `handle`: grpc::Status(const Request&, Response&); takes no time to speak of.
template <typename Request, typename Response, typename Expect, typename Handle>
Detached ServeUnary(CallSlots& slots, Expect expect, Handle handle) {
  CallSlots::Slot slot(slots);
  AsyncUnaryCall<Request, Response> call;
  do {
    if (!co_await call.Next(expect)) co_return;
    slot.Arrived();
    Response response;
    const grpc::Status status = handle(call.request, response);
    co_await call.Finish(status, response);
    co_await call.done;
  } while (slot.WaitAgain());
}

// The same of a method that takes its time.
//
// `handle`: void(const Request&, Response&, Done), where Done is void(const grpc::Status&), called once, on any thread;
// where something is thrown, not at all.
template <typename Request, typename Response, typename Expect, typename Handle>
Detached ServeUnaryLater(CallSlots& slots, Expect expect, Handle handle) {
  CallSlots::Slot slot(slots);
  AsyncUnaryCall<Request, Response> call;
  do {
    if (!co_await call.Next(expect)) co_return;
    slot.Arrived();
    Response response;
    grpc::Status status;
    Operation handled;
    Tag* const tag = handled.Start();
    const auto done = [&status, tag](const grpc::Status& end) {
      status = end;
      tag->Complete(true);
    };
    const absl::Status thrown = Guarded([&] {
      handle(call.request, response, done);
      return absl::OkStatus();
    });
    if (!thrown.ok()) done(ToGrpcStatus(thrown));
    co_await handled;
    co_await call.Finish(status, response);
    co_await call.done;
  } while (slot.WaitAgain());
}

}  // namespace tensorferry::rpc
