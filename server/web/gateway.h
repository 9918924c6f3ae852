#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_set>
#include <vector>

#include "http/message.h"

namespace tensorferry::web {

// Gateway calls the server's own gRPC services for requests of HTTP: checks, models, roles, limits, metrics and the access
// log are those of gRPC, since the calls are (docs/adr/0028). No thread waits for a call.
//
// Threads:  any. Answers come on gRPC's threads, and those of streaming calls on a thread of the gateway's own.
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

  // Streaming is a call whose messages go and come one by one, by a method of any kind.
  struct Streaming {
    std::string method;                      // `/package.Service/Method`
    std::vector<grpc::ByteBuffer> messages;  // All that are sent.
    // Make the pieces of the answer's body: from each message that comes (if that throws, the call ends), and from the end,
    // the call's status and its trailing metadata (if that throws, the body ends without it).
    std::function<http::BodyStream::Piece(const grpc::ByteBuffer&)> message_piece;
    std::function<http::BodyStream::Piece(const grpc::Status&, const grpc::ClientContext&)> end_piece;
  };

  // Calls on `channel`, such as that of rpc::Server::InProcessChannel.
  // Errors: throws NoThread.
  explicit Gateway(std::shared_ptr<grpc::Channel> channel);
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;
  ~Gateway();

  // Calls the unary method `/package.Service/Method` with the bytes of a message. `from` is the request for which it is
  // done: who asks, his token, trace and deadline are those of the call. It is not borrowed. Replies once; with 500 if
  // `done` throws.
  // A call whose peer goes away is cancelled. Besides its body the request has `held_besides` bytes of the memory budget.
  void Call(const std::string& method, const http::Request& from, grpc::ByteBuffer message, Then then,
            std::uint64_t held_besides = 0);

  // Begins a call, as Call does. What comes is read as fast as the stream is pulled; the call is cancelled when the stream
  // is gone.
  std::shared_ptr<http::BodyStream> Stream(const http::Request& from, Streaming streaming);

 private:
  struct UnaryCall;
  class StreamingCall;
  class CallBody;

  void End(const std::shared_ptr<UnaryCall>& call, const grpc::Status& status);
  void Add(grpc::ClientContext& context);
  void Remove(grpc::ClientContext& context);
  void EndSteps();  // Until queue_ is shut down.

  grpc::GenericStub stub_;
  std::mutex mutex_;
  std::condition_variable none_;
  std::unordered_set<grpc::ClientContext*> calls_;
  grpc::CompletionQueue queue_;  // Of streaming calls.
  std::thread thread_;           // Serves queue_.
};

}  // namespace tensorferry::web
