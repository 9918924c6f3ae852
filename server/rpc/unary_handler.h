#pragma once

#include "rpc/async_call.h"
#include "rpc/call_slots.h"

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

}  // namespace tensorferry::rpc
