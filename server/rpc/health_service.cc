#include "rpc/health_service.h"

#include <optional>
#include <utility>

#include "rpc/serve/async_call.h"
#include "rpc/serve/unary_handler.h"
#include "rpc/serve/waker.h"

namespace tensorferry::rpc {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

}  // namespace

void HealthService::Serve(ServingQueue& serving_queue) {
  grpc::ServerCompletionQueue* const queue = serving_queue.get();
  slots_.Serve([this, queue](CallSlots& slots) {
    ServeUnary<HealthCheckRequest, HealthCheckResponse>(
        slots,
        [this, queue](auto* context, auto* request, auto* responder, Tag* tag) {
          service_.RequestCheck(context, request, responder, queue, queue, tag);
        },
        [this](const HealthCheckRequest& request, HealthCheckResponse& response) {
          response.set_status(StatusOf(request.service()));
          return response.status() == HealthCheckResponse::SERVICE_UNKNOWN
                     ? grpc::Status(grpc::StatusCode::NOT_FOUND, "no such service")
                     : grpc::Status::OK;
        });
  });
  slots_.Serve([this, queue](CallSlots& slots) { ServeWatch(queue, slots); });
}

namespace {

// Wakes a watcher at the end of its call. `ended` is complete then, for the watcher to see: only one can await `done`.
Detached WakeAtEnd(Operation& done, std::shared_ptr<Waker> watcher, Tag* ended) {
  co_await done;
  ended->Complete(true);
  watcher->Wake();
}

}  // namespace

Detached HealthService::ServeWatch(grpc::ServerCompletionQueue* queue, CallSlots& slots) {
  CallSlots::Slot slot(slots);
  AsyncStreamCall<grpc::ServerAsyncWriter<HealthCheckResponse>> call;
  HealthCheckRequest request;
  Operation ended;
  const auto expect = [&](auto* context, auto* stream, Tag* tag) {
    service_.RequestWatch(context, &request, stream, queue, queue, tag);
  };
  do {
    if (!co_await call.Next(expect)) co_return;
    slot.Arrived();
    const auto watcher = std::make_shared<Waker>();
    WakeAtEnd(call.done, watcher, ended.Start());
    {
      const std::lock_guard lock(mutex_);
      std::erase_if(watchers_, [](const auto& other) { return other.expired(); });
      watchers_.push_back(watcher);
    }
    std::optional<Status> told;
    while (!ended.complete()) {
      HealthCheckResponse response;
      response.set_status(StatusOf(request.service()));
      if (told != response.status()) {
        told = response.status();
        if (!co_await call.Write(response)) break;
      }
      co_await watcher->Sleep();
    }
    co_await call.Finish(grpc::Status::CANCELLED);
    co_await ended;
  } while (slot.WaitAgain());
}

void HealthService::Set(const std::string& name, bool serving) {
  {
    const std::lock_guard lock(mutex_);
    statuses_[name] = serving && !ended_ ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
  }
  WakeWatchers();
}

void HealthService::SetAllNotServing() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    for (auto& [name, status] : statuses_) status = HealthCheckResponse::NOT_SERVING;
  }
  WakeWatchers();
}

HealthService::Status HealthService::StatusOf(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto status = statuses_.find(name);
  return status == statuses_.end() ? HealthCheckResponse::SERVICE_UNKNOWN : status->second;
}

// Woken without the lock: a watcher goes on on this thread.
void HealthService::WakeWatchers() {
  std::vector<std::weak_ptr<Waker>> watchers;
  {
    const std::lock_guard lock(mutex_);
    watchers = watchers_;
  }
  for (const auto& weak : watchers) {
    if (const auto watcher = weak.lock()) watcher->Wake();
  }
}

}  // namespace tensorferry::rpc
