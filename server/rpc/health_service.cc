#include "rpc/health_service.h"

#include <optional>
#include <utility>

#include "rpc/serve/call_chain.h"
#include "rpc/serve/error.h"
#include "rpc/serve/grpc_call.h"
#include "rpc/serve/method.h"
#include "rpc/serve/small_message.h"
#include "rpc/serve/waker.h"

namespace tensorferry::rpc {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

// Wakes a watcher at the end of its call. `ended` is completed first: the watcher sees the end there, since only one
// coroutine can await `done`.
Detached WakeAtEnd(Operation& done, std::shared_ptr<Waker> watcher, Tag* ended) {
  co_await done;
  ended->Complete(true);
  watcher->Wake();
}

}  // namespace

void HealthService::Serve(ServingQueue& serving_queue) {
  grpc::ServerCompletionQueue* const queue = serving_queue.get();
  methods_.Serve<&Service::RequestCheck, &HealthService::Check>(service_, queue, *this);
  methods_.slots().Serve([this, queue](CallSlots& slots) { ServeWatch(queue, slots); });
}

absl::StatusOr<grpc::Status> HealthService::Check(const HealthCheckRequest& request,
                                                  HealthCheckResponse& response) const {
  response.set_status(StatusOf(request.service()));
  if (response.status() != HealthCheckResponse::SERVICE_UNKNOWN) return grpc::Status::OK;
  return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such service");
}

Detached HealthService::ServeWatch(grpc::ServerCompletionQueue* queue, CallSlots& slots) {
  CallSlots::Slot slot(slots);
  AsyncStreamCall<grpc::ServerAsyncWriter<grpc::ByteBuffer>> call;
  grpc::ByteBuffer bytes;
  Operation ended;
  const auto expect = [&](auto* context, auto* stream, Tag* tag) {
    service_.RequestWatch(context, &bytes, stream, queue, queue, tag);
  };
  const auto& method =
      FindMethod(*HealthCheckRequest::descriptor(), *HealthCheckResponse::descriptor(), Streams::kResponses);
  do {
    if (!co_await call.Next(expect)) co_return;
    slot.Arrived();
    Admission admission(methods_.chain(), {method, call, CallKind::kManagement});
    admission.record().messages_in = 1;
    HealthCheckRequest request;
    const absl::Status status = Guarded([&] { return ServedMethods::Parse(admission, bytes, request); });
    const bool admitted = status.ok();
    const auto watcher = std::make_shared<Waker>();
    WakeAtEnd(call.done, watcher, ended.Start());
    if (admitted) AddWatcher(watcher);
    std::optional<Status> told;
    while (admitted && !ended.complete()) {
      HealthCheckResponse response;
      response.set_status(StatusOf(request.service()));
      if (told != response.status()) {
        told = response.status();
        grpc::ByteBuffer answer;
        if (!SerializeMessage(response, answer).ok()) break;
        if (!co_await call.Write(answer)) break;
        ++admission.record().messages_out;
      }
      co_await watcher->Sleep();
    }
    admission.Finish(status);
    const grpc::Status end = admitted ? grpc::Status::CANCELLED : ToGrpcStatus(status);
    co_await call.Finish(end);
    co_await ended;
  } while (slot.WaitAgain());
}

void HealthService::AddWatcher(const std::shared_ptr<Waker>& watcher) {
  const MutexLock lock(mutex_);
  std::erase_if(watchers_, [](const auto& other) { return other.expired(); });
  watchers_.push_back(watcher);
}

void HealthService::Set(const std::string& name, bool serving) {
  {
    const MutexLock lock(mutex_);
    statuses_[name] = serving && !ended_ ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
  }
  WakeWatchers();
}

void HealthService::Forget(const std::string& name) {
  {
    const MutexLock lock(mutex_);
    if (ended_) return;
    statuses_.erase(name);
  }
  WakeWatchers();
}

void HealthService::SetAllNotServing() {
  {
    const MutexLock lock(mutex_);
    ended_ = true;
    for (auto& [name, status] : statuses_) status = HealthCheckResponse::NOT_SERVING;
  }
  WakeWatchers();
}

HealthService::Status HealthService::StatusOf(const std::string& name) const {
  const MutexLock lock(mutex_);
  const auto status = statuses_.find(name);
  return status == statuses_.end() ? HealthCheckResponse::SERVICE_UNKNOWN : status->second;
}

// Wakes the watchers without holding the lock, since each watcher goes on on this thread.
void HealthService::WakeWatchers() {
  std::vector<std::weak_ptr<Waker>> watchers;
  {
    const MutexLock lock(mutex_);
    watchers = watchers_;
  }
  for (const auto& weak : watchers) {
    if (const auto watcher = weak.lock()) watcher->Wake();
  }
}

}  // namespace tensorferry::rpc
