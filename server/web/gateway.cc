#include "web/gateway.h"

#include <spdlog/spdlog.h>

#include <exception>
#include <utility>

#include "web/caller_fields.h"

namespace tensorferry::web {

struct Gateway::UnaryCall {
  grpc::ClientContext context;
  grpc::ByteBuffer request;
  grpc::ByteBuffer response;
  Then then;
};

void Gateway::Call(const std::string& method, const http::Request& from, grpc::ByteBuffer message, Then then) {
  auto made = std::make_unique<UnaryCall>();
  made->request.Swap(&message);
  made->then = std::move(then);
  AddCallerFields(from, made->context);
  UnaryCall* const call = made.get();
  {
    const std::lock_guard lock(mutex_);
    calls_.insert(call);
  }
  static_cast<void>(made.release());  // End takes it back.
  stub_.UnaryCall(&call->context, method, grpc::StubOptions(), &call->request, &call->response,
                  [this, call](const grpc::Status& status) { End(*call, status); });
}

void Gateway::End(UnaryCall& call, const grpc::Status& status) {
  const std::unique_ptr<UnaryCall> owned(&call);
  try {
    call.then.reply(call.then.done(status, call.response));
  } catch (const std::exception& error) {
    spdlog::debug("http: an answer could not be made: {}", error.what());
    call.then.reply({.status = 500, .body = "internal error\n"});
  }
  const std::lock_guard lock(mutex_);
  calls_.erase(&call);
  if (calls_.empty()) none_.notify_all();
}

Gateway::~Gateway() {
  std::unique_lock lock(mutex_);
  for (UnaryCall* const call : calls_) call->context.TryCancel();
  none_.wait(lock, [this] { return calls_.empty(); });
}

}  // namespace tensorferry::web
