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
#include <string_view>
#include <thread>
#include <unordered_set>
#include <vector>

#include "http/message.h"
#include "rpc/serve/local_call.h"

namespace tensorferry::web {

// Gateway calls the server's own services for requests of HTTP: checks, models, roles, limits, metrics and the access log
// are those of gRPC, since the calls go the same way (docs/adr/0028 and 0040). No thread waits for a call.
//
// Threads:  any. A call is served on the thread that makes it until it waits for something; answers come on any thread, and
//           those of streaming calls on a thread of the gateway's own.
// Lifetime: the destructor answers all calls, whether or not they have ended.
class Gateway {
 public:
  // Answered gets the end of a call. It must not throw.
  using Answered = std::function<void(rpc::LocalAnswer)>;

  // Streaming is a call whose messages go and come one by one, by a method of any kind.
  struct Streaming {
    std::string method;                      // `/package.Service/Method`
    std::vector<grpc::ByteBuffer> messages;  // All that are sent.
    // Make the pieces of the answer's body: from each message that comes (if that throws, the call ends), and from the end,
    // the call's status and its trailing metadata (if that throws, the body ends without it).
    std::function<http::BodyStream::Piece(const grpc::ByteBuffer&)> message_piece;
    std::function<http::BodyStream::Piece(const grpc::Status&, const grpc::ClientContext&)> end_piece;
  };

  // Calls `methods`, and those with streams on `channel`: rpc::Server has both. Borrows `methods`.
  // Errors: throws NoThread.
  Gateway(rpc::LocalMethods& methods, std::shared_ptr<grpc::Channel> channel);
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;
  ~Gateway();

  // Calls the unary method `/package.Service/Method` with the bytes of a message. `from` is the request for which it is
  // done: who asks, his token, trace and deadline are those of the call. It is not borrowed. `answered` is called once, at
  // the latest when the deadline passes or the peer goes away: the call is then cancelled. Besides its body the request has
  // `held_besides` bytes of the memory budget.
  void Call(std::string_view method, const http::Request& from, grpc::ByteBuffer message, Answered answered,
            std::uint64_t held_besides = 0);

  // Begins a call, as Call does. What comes is read as fast as the stream is pulled; the call is cancelled when the stream
  // is gone.
  std::shared_ptr<http::BodyStream> Stream(const http::Request& from, Streaming streaming);

 private:
  struct UnaryCall;
  class StreamingCall;
  class CallBody;

  void End(const std::shared_ptr<UnaryCall>& call, rpc::LocalAnswer answer);
  void Abandon(const std::weak_ptr<UnaryCall>& call, const grpc::Status& status);
  void Add(grpc::ClientContext& context);
  void Remove(grpc::ClientContext& context);
  void TellIfNone();
  void EndSteps();  // Until queue_ is shut down.

  rpc::LocalMethods& methods_;
  grpc::GenericStub stub_;
  std::mutex mutex_;
  std::condition_variable none_;
  std::unordered_set<std::shared_ptr<UnaryCall>> unary_calls_;
  std::unordered_set<grpc::ClientContext*> streaming_calls_;
  grpc::CompletionQueue queue_;  // Of streaming calls.
  std::thread thread_;           // Serves queue_.
};

// Returns what gives a peer the answer that `make` makes of a call's end, or 500 if that throws. What the memory budget
// holds for the call's message it holds until the peer has the answer.
Gateway::Answered ReplyWith(http::Reply reply, std::function<http::Response(const rpc::LocalAnswer&)> make);

}  // namespace tensorferry::web
