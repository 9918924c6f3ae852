#include "channel.h"

#include <nanobind/nanobind.h>

#include "events.h"
#include "gil.h"

namespace tensorferry::core {
namespace {

constexpr const char* kConvert = "/tensorferry.v1.TensorService/Convert";

}  // namespace

CallEnd Channel::Convert(const grpc::ByteBuffer& request, std::optional<double> timeout_s) {
  CallEnd end;
  bool interrupted = false;
  {
    const WithoutGil released;
    CallContext context(*connection_, timeout_s);
    grpc::ByteBuffer answer;
    Queues::Queue queue = connection_->queues().Take();
    Event event;
    PollForEvent(*queue, event);
    const auto call = connection_->stub().PrepareUnaryCall(&*context, kConvert, request, queue.get());
    call->StartCall();
    call->Finish(&answer, &end.status, nullptr);
    interrupted = !WaitForEvent(*queue, event);
    if (interrupted) {
      context.Cancel();
      queue->Next(&event.tag, &event.ok);
    }
    connection_->queues().GiveBack(std::move(queue));
    if (end.status.ok()) end.response = Split(answer);
    if (!end.status.ok()) end.trailers = context.Trailers();
  }
  if (interrupted) throw nanobind::python_error();
  return end;
}

}  // namespace tensorferry::core
