#pragma once

#include <concepts>
#include <functional>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/buffer_pool.h"
#include "rpc/serve/asked_model.h"
#include "rpc/serve/async_call.h"
#include "rpc/serve/call_chain.h"
#include "rpc/serve/call_resources.h"
#include "rpc/serve/call_slots.h"
#include "rpc/serve/error.h"
#include "rpc/serve/grpc_call.h"
#include "rpc/serve/guarded.h"
#include "rpc/serve/local_call.h"
#include "rpc/serve/method.h"
#include "rpc/serve/small_message.h"
#include "rpc/serve/unary_call.h"

namespace tensorferry::rpc {

// ServiceEnvironment holds what every service of a server uses. Outlives the services.
struct ServiceEnvironment {
  LiveCoroutines& live;
  const CallChain& chain;
  WorkerPool& copiers;  // Threads that copy large messages.
  WaitLimit& waits;
  OpenStreams& streams;
  BufferPool& pool;     // Its memory budget admits large answers.
  LocalMethods& local;  // Gets the methods that can be called from within this process.
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
  WaitLimit& waits() const { return environment_.waits; }
  BufferPool& pool() const { return environment_.pool; }
  CallResources ResourcesOf(ServingQueue& queue) const {
    return {queue, environment_.copiers, environment_.waits, environment_.streams, environment_.pool};
  }

  // Serves a unary method whose messages generated code parses, if `check` allows it:
  // `Serve<&Service::RequestListModels, &TensorService::ListModels>(…)`. gRPC gives the message as bytes, so that what
  // is too large is refused before it is parsed.
  //
  // `kHandler` is a member function of `owner`, which outlives the calls. It has one of these forms:
  // - absl::Status(const Request&, Response&), which takes no time to speak of;
  // - absl::StatusOr<grpc::Status>(const Request&, Response&), if the protocol defines an end that is no failure;
  // - void(const Request&, Response&, Done), which calls Done once. If it throws, it has not called Done.
  template <auto kRequestMethod, auto kHandler, typename Service, typename Owner>
  void Serve(Service& service, grpc::ServerCompletionQueue* queue, Owner& owner,
             MessageCheck check = CheckSmallMessage) {
    using Traits = HandlerTraits<decltype(kHandler)>;
    ServeUnary(FindMethod(*Traits::Request::descriptor(), *Traits::Response::descriptor(), Streams::kNone),
               Expected<kRequestMethod>(service, queue),
               [this, &owner, check](CallSlots& slots, std::unique_ptr<UnaryCall> call) {
                 ServeCalls<kHandler>(slots, std::move(call), owner, check);
               });
  }

  // Serves a unary method: the calls that gRPC brings to `expect`, and those from within this process. `one_more` starts
  // one more coroutine for either.
  void ServeUnary(const google::protobuf::MethodDescriptor& method, GrpcUnaryCall::Expect expect,
                  LocalMethod::Serve one_more) {
    slots_.Serve([expect = std::move(expect), one_more](CallSlots& slots) {
      one_more(slots, std::make_unique<GrpcUnaryCall>(expect));
    });
    environment_.local.Serve(method, std::move(one_more));
  }

  // Returns how a method's next call is expected: `Expected<&Service::RequestConvert>(service, queue)`.
  template <auto kRequestMethod, typename Service>
  static GrpcUnaryCall::Expect Expected(Service& service, grpc::ServerCompletionQueue* queue) {
    return [&service, queue](auto* context, auto* request, auto* responder, Tag* tag) {
      (service.*kRequestMethod)(context, request, responder, queue, queue, tag);
    };
  }

  static CallEnd PlainEnd(const absl::Status& status) {
    return {status, status.ok() ? grpc::Status::OK : ToGrpcStatus(status)};
  }

  // Parses the message of a call that the chain has admitted. Gives back the memory of `bytes` in any case.
  // Errors: that of the step that has refused the call; those of ParseMessage.
  static absl::Status Parse(const Admission& admission, grpc::ByteBuffer& bytes, google::protobuf::Message& request,
                            MessageCheck check = CheckSmallMessage) {
    if (admission.status().ok()) return ParseMessage(bytes, request, check);
    bytes.Clear();
    return admission.status();
  }

 private:
  template <auto kHandler, typename Owner>
  Detached ServeCalls(CallSlots& slots, std::unique_ptr<UnaryCall> made, Owner& owner, MessageCheck check) {
    using RequestMessage = typename HandlerTraits<decltype(kHandler)>::Request;
    using ResponseMessage = typename HandlerTraits<decltype(kHandler)>::Response;
    CallSlots::Slot slot(slots);
    const std::unique_ptr<UnaryCall> owned = std::move(made);  // Ends before the slot does.
    UnaryCall& call = *owned;
    grpc::ByteBuffer bytes;
    WaitLimit::Member waits(environment_.waits, &call);
    const auto handle = std::bind_front(kHandler, &owner);
    const google::protobuf::MethodDescriptor& method =
        FindMethod(*RequestMessage::descriptor(), *ResponseMessage::descriptor(), Streams::kNone);
    do {
      if (!co_await call.Next(bytes)) co_return;
      slot.Arrived();
      std::optional<RequestMessage> request(std::in_place);
      std::optional<ResponseMessage> response(std::in_place);
      Admission admission(environment_.chain, {method, call, CallKind::kManagement});
      admission.record().messages_in = 1;
      CallEnd end = to_end_(Guarded([&] { return Parse(admission, bytes, *request, check); }));
      if (end.status.ok()) {
        if constexpr (std::invocable<decltype(handle), const RequestMessage&, ResponseMessage&, Done>) {
          Operation handled;
          Begin(handle, *request, *response, Done(to_end_, end, *handled.Start(), call));
          co_await handled;
        } else {
          end = EndOf(Guarded([&] { return handle(*request, *response); }));
        }
      }
      if (!end.status.ok()) RecordAskedModel(AskedModelOf(*request), admission.record());
      const CountedAnswer answer = Serialize(*response, call, end);
      AddPushback(end.status, call);
      admission.record().messages_out = end.sent.ok() ? 1 : 0;
      Sending sending = admission.Finish(end.status);
      request.reset();  // While the answer waits for its caller, nothing is kept but what is sent.
      response.reset();
      call.Finish(end.sent, answer.bytes);
      sending.Finish(co_await waits.OrCancel(call.finished, call));
      co_await call.done;
    } while (slot.WaitAgain());
  }

  // Returns the response if the call ends well, and else nothing.
  CountedAnswer Serialize(const google::protobuf::Message& response, const AsyncCall& call, CallEnd& end) const {
    CountedAnswer answer;
    if (!end.sent.ok()) return answer;
    const absl::Status status = Guarded([&] { return answer.Write(response, {environment_.pool, &call}); });
    if (!status.ok()) end = to_end_(status);
    return answer;
  }

  // Calls a handler that ends its call later. An exception of the handler ends the call at once.
  template <typename Handle, typename RequestMessage, typename ResponseMessage>
  static void Begin(const Handle& handle, const RequestMessage& request, ResponseMessage& response, const Done& done) {
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
