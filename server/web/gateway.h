#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>

#include "http/message.h"

namespace tensorferry::web {

// Gateway calls the server's own gRPC services for requests of HTTP: checks, models, roles, limits, metrics and the access
// log are those of gRPC, since the calls are (docs/adr/0028). No thread waits for a call.
//
// Threads:  any. Answers come on gRPC's threads.
// Lifetime: the destructor ends all calls and waits for them; each is answered.
class Gateway {
 public:
  // Makes the answer of HTTP to the end of a call.
  using Done = std::function<http::Response(const grpc::Status&, const grpc::ByteBuffer&)>;

  // Then is what follows a call: its answer is made, and given to the peer.
  struct Then {
    http::Reply reply;
    Done done;
  };

  // Calls on `channel`, such as that of rpc::Server::InProcessChannel.
  explicit Gateway(std::shared_ptr<grpc::Channel> channel) : stub_(std::move(channel)) {}
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;
  ~Gateway();

  // Calls the unary method `/package.Service/Method` with the bytes of a message. `from` is the request for which it is
  // done: who asks, his token, trace and deadline are those of the call. It is not borrowed. Replies once; with 500 if
  // `done` throws.
  void Call(const std::string& method, const http::Request& from, grpc::ByteBuffer message, Then then);

 private:
  struct UnaryCall;

  void End(UnaryCall& call, const grpc::Status& status);

  grpc::GenericStub stub_;
  std::mutex mutex_;
  std::condition_variable none_;
  std::unordered_set<UnaryCall*> calls_;
};

}  // namespace tensorferry::web
