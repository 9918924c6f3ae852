#include "channel.h"

#include <nanobind/nanobind.h>

#include "events.h"
#include "gil.h"

namespace tensorferry::core {
namespace {

constexpr const char* kConvert = "/tensorferry.v1.TensorService/Convert";

// UnaryCall is what gRPC uses of a call until it has ended.
struct UnaryCall {
  UnaryCall(Connection& connection, std::optional<double> timeout_s)
      : context(connection, timeout_s), queue(connection.queues().Take()) {}

  CallContext context;
  Queues::Queue queue;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
  grpc::ByteBuffer answer;
  grpc::Status status;
};

}  // namespace

CallEnd Channel::Convert(const grpc::ByteBuffer& request, std::optional<double> timeout_s) {
  CallEnd end;
  bool interrupted = false;
  {
    const WithoutGil released;
    auto call = std::make_unique<UnaryCall>(*connection_, timeout_s);
    Event event;
    PollForEvent(*call->queue, event);
    call->reader = connection_->stub().PrepareUnaryCall(&*call->context, kConvert, request, call->queue.get());
    call->reader->StartCall();
    call->reader->Finish(&call->answer, &call->status, nullptr);
    const Waited waited = WaitForEvent(*call->queue, event, (*call->context).deadline());
    interrupted = waited == Waited::kInterrupted;
    if (waited != Waited::kEvent) {
      call->context.Cancel();
      if (!AwaitWrite(*call->queue, event)) {  // What gRPC still has of the call is left to it.
        static_cast<void>(call.release());
        end.status = {grpc::StatusCode::DEADLINE_EXCEEDED, "Deadline Exceeded"};
      }
    }
    if (call != nullptr) {
      connection_->queues().GiveBack(std::move(call->queue));
      end.status = call->status;
      if (end.status.ok()) end.response = Split(call->answer);
      if (!end.status.ok()) end.trailers = call->context.Trailers();
    }
  }
  if (interrupted) throw nanobind::python_error();
  return end;
}

}  // namespace tensorferry::core
