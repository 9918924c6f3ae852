#include "web/gateway.h"

#include <utility>

#include "web/caller_fields.h"

namespace tensorferry::web {

struct Gateway::UnaryCall {
  grpc::ClientContext context;
  grpc::ByteBuffer request;
  grpc::ByteBuffer response;
  Done done;
};

void Gateway::Call(const std::string& method, const http::Request& from, grpc::ByteBuffer message, Done done) {
  auto made = std::make_unique<UnaryCall>();
  made->request.Swap(&message);
  made->done = std::move(done);
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
  call.done(status, std::move(call.response));
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
