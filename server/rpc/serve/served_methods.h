#pragma once

#include <concepts>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rpc/serve/async_call.h"
#include "rpc/serve/call_chain.h"
#include "rpc/serve/call_resources.h"
#include "rpc/serve/call_slots.h"
#include "rpc/serve/error.h"
#include "rpc/serve/guarded.h"
#include "rpc/serve/method.h"

namespace tensorferry::rpc {

// ServiceEnvironment holds what every service of a server uses. Outlives the services.
struct ServiceEnvironment {
  LiveCoroutines& live;
  const CallChain& chain;
  WorkerPool& copiers;  // Threads that copy large messages.
  WaitLimit& waits;
};

// CallEnd says how a call ends.
struct CallEnd {
  // For the steps of the chain. It is OK if `sent` is an end that the protocol defines and that is no failure.
  absl::Status status;
  grpc::Status sent;  // For the caller.
};

// Done ends a call whose handler goes on elsewhere.
// Threads: called once, on any thread.
class Done {
 public:
  using ToEnd = CallEnd (*)(const absl::Status&);

  Done(ToEnd to_end, CallEnd& end, Tag& tag, const AsyncCall& call)
      : to_end_(to_end), end_(&end), tag_(&tag), call_(&call) {}

  void operator()(const absl::Status& status) const { (*this)(to_end_(status)); }
  void operator()(CallEnd end) const {
    *end_ = std::move(end);
    tag_->Complete(true);
  }

  // Checks that the caller still waits. Not to be called once the call has ended.
  // Errors: DEADLINE, CANCELLED.
  absl::Status CheckCaller() const { return call_->CheckCaller(); }

 private:
  ToEnd to_end_;
  CallEnd* end_;
  Tag* tag_;
  const AsyncCall* call_;
};

// ServedMethods are the methods of one service. Coroutines of its own serve each method, one call after another, and
// every call goes through the chain.
class ServedMethods {
 public:
  // `to_end` says how an error of the service ends a call, in the words of its protocol.
  explicit ServedMethods(const ServiceEnvironment& environment, Done::ToEnd to_end = PlainEnd)
      : environment_(environment), slots_(environment.live), to_end_(to_end) {}

  ServiceSlots& slots() { return slots_; }
  const CallChain& chain() const { return environment_.chain; }
  CallResources ResourcesOf(ServingQueue& queue) const { return {queue, environment_.copiers, environment_.waits}; }

  // Serves a unary method whose messages generated code parses: `Serve<&Service::RequestServerReady>(…)`.
  //
  // `handle` has one of these forms:
  // - absl::Status(const Request&, Response&), which takes no time to speak of;
  // - absl::StatusOr<grpc::Status>(const Request&, Response&), if the protocol defines an end that is no failure;
  // - void(const Request&, Response&, Done), which calls Done once. If it throws, it has not called Done.
  template <auto kRequestMethod, typename Service, typename Handle>
  void Serve(Service& service, grpc::ServerCompletionQueue* queue, Handle handle) {
    slots_.Serve([this, &service, queue, handle](CallSlots& slots) {
      ServeCalls<kRequestMethod>(slots, service, queue, handle);
    });
  }

  static CallEnd PlainEnd(const absl::Status& status) {
    return {status, status.ok() ? grpc::Status::OK : ToGrpcStatus(status)};
  }

 private:
  template <auto kRequestMethod, typename Service, typename Handle>
  Detached ServeCalls(CallSlots& slots, Service& service, grpc::ServerCompletionQueue* queue, Handle handle) {
    using RequestMessage = typename MethodTraits<decltype(kRequestMethod)>::Request;
    using ResponseMessage = typename MethodTraits<decltype(kRequestMethod)>::Response;
    CallSlots::Slot slot(slots);
    AsyncUnaryCall<RequestMessage, ResponseMessage> call;
    const auto expect = [&service, queue](auto* context, auto* request, auto* responder, Tag* tag) {
      (service.*kRequestMethod)(context, request, responder, queue, queue, tag);
    };
    const google::protobuf::MethodDescriptor& method = MethodOf<kRequestMethod>();
    do {
      if (!co_await call.Next(expect)) co_return;
      slot.Arrived();
      ResponseMessage response;
      Admission admission(environment_.chain, {method, call, CallKind::kManagement});
      CallEnd end = to_end_(admission.status());
      if (admission.status().ok()) {
        if constexpr (std::invocable<Handle&, const RequestMessage&, ResponseMessage&, Done>) {
          Operation handled;
          Begin(handle, call.request, response, Done(to_end_, end, *handled.Start(), call));
          co_await handled;
        } else {
          end = EndOf(Guarded([&] { return handle(call.request, response); }));
        }
      }
      admission.Finish(end.status);
      co_await call.Finish(end.sent, response);
      co_await call.done;
      call.request = RequestMessage();  // It would keep the memory of a large message until the next call.
    } while (slot.WaitAgain());
  }

  // Calls a handler that ends its call later. An exception of the handler ends the call at once.
  template <typename Handle, typename RequestMessage, typename ResponseMessage>
  static void Begin(Handle& handle, const RequestMessage& request, ResponseMessage& response, const Done& done) {
    const absl::Status thrown = Guarded([&] {
      handle(request, response, done);
      return absl::OkStatus();
    });
    if (!thrown.ok()) done(thrown);
  }

  CallEnd EndOf(const absl::Status& status) const { return to_end_(status); }
  CallEnd EndOf(const absl::StatusOr<grpc::Status>& end) const {
    return end.ok() ? CallEnd{absl::OkStatus(), *end} : to_end_(end.status());
  }

  const ServiceEnvironment environment_;
  ServiceSlots slots_;
  const Done::ToEnd to_end_;
};

}  // namespace tensorferry::rpc
