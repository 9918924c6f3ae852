#include "web/gateway.h"

#include <spdlog/spdlog.h>

#include <exception>
#include <utility>

#include "base/start_thread.h"
#include "web/caller_fields.h"

namespace tensorferry::web {

struct Gateway::UnaryCall {
  grpc::ClientContext context;
  grpc::ByteBuffer request;
  grpc::ByteBuffer response;
  Then then;
};

Gateway::Gateway(std::shared_ptr<grpc::Channel> channel)
    : stub_(std::move(channel)), thread_(StartThread("streams of the HTTP port", [this] { EndSteps(); })) {}

void Gateway::Call(const std::string& method, const http::Request& from, grpc::ByteBuffer message, Then then,
                   std::uint64_t held_besides) {
  const auto call = std::make_shared<UnaryCall>();
  call->request.Swap(&message);
  call->then = std::move(then);
  AddCallerFields(from, call->context, held_besides);
  Add(call->context);
  if (from.cancellation != nullptr) {
    from.cancellation->OnGone([maybe = std::weak_ptr(call)] {
      if (const auto under_way = maybe.lock()) under_way->context.TryCancel();
    });
  }
  stub_.UnaryCall(&call->context, method, grpc::StubOptions(), &call->request, &call->response,
                  [this, call](const grpc::Status& status) { End(call, status); });
}

void Gateway::End(const std::shared_ptr<UnaryCall>& call, const grpc::Status& status) {
  try {
    http::Response response = call->then.done(status, call->response);
    AddTraceResponse(call->context, response);
    call->then.reply(std::move(response));
  } catch (const std::exception& error) {
    spdlog::debug("http: an answer could not be made: {}", error.what());
    call->then.reply({.status = 500, .body = "internal error\n"});
  }
  Remove(call->context);
}

void Gateway::Add(grpc::ClientContext& context) {
  const std::lock_guard lock(mutex_);
  calls_.insert(&context);
}

void Gateway::Remove(grpc::ClientContext& context) {
  const std::lock_guard lock(mutex_);
  calls_.erase(&context);
  if (calls_.empty()) none_.notify_all();
}

Gateway::~Gateway() {
  std::unique_lock lock(mutex_);
  for (grpc::ClientContext* const call : calls_) call->TryCancel();
  none_.wait(lock, [this] { return calls_.empty(); });
  lock.unlock();
  queue_.Shutdown();
  thread_.join();
}

}  // namespace tensorferry::web
