#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <functional>
#include <memory>

#include "rpc/serve/async_call.h"
#include "rpc/serve/operation.h"

namespace tensorferry::rpc {

// UnaryCall stands for the calls of one coroutine that serves a method with one message each way. Messages are bytes.
class UnaryCall : public AsyncCall {
 public:
  // `co_await call.Next(request)`: true once the next call has come, and its message is in `request`, which outlives the
  // call; false if the server is shut down. The call before has ended, and its `done` is complete.
  virtual Operation::Wait Next(grpc::ByteBuffer& request) = 0;

  // Ends the call: completes `finished`, and `done`. `response` is sent only if `status` is OK, and kept until then, as
  // `kept` is: what the memory budget holds for the response.
  virtual void Finish(const grpc::Status& status, const grpc::ByteBuffer& response,
                      const std::shared_ptr<const void>& kept) = 0;
  void Finish(const grpc::Status& status, const grpc::ByteBuffer& response) { Finish(status, response, nullptr); }
};

// MakeUnaryCall makes the calls of one more coroutine.
using MakeUnaryCall = std::function<std::unique_ptr<UnaryCall>()>;

}  // namespace tensorferry::rpc
