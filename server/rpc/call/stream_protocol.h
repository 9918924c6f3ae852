#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rpc/call/encoded_response.h"
#include "rpc/call/stream_run.h"
#include "rpc/serve/async_call.h"

namespace tensorferry::rpc {

// What a protocol says of a stream of requests, message by message. StreamServer uses the same object for one stream
// after another, so that memory is taken once.
class StreamProtocol {
 public:
  // What the server owes to the caller after a message; nothing while a request is incomplete.
  struct Owed {
    std::unique_ptr<StreamRun> run;  // The response is this run's; it is not submitted yet.
    bool response = false;           // The response is there: TakeResponse, before the next Take.
  };

  virtual ~StreamProtocol() = default;

  // Begins a stream. `call` outlives the stream and every StreamRun of it.
  virtual void Begin(const AsyncCall& call) = 0;

  // Ends the stream: nothing of it is kept, an incomplete request least of all.
  virtual void End() = 0;

  // The memory into which gRPC reads each message; the same for all.
  virtual grpc::ByteBuffer& message() = 0;

  // Takes in the message that message() holds, and empties it.
  // Errors: what ends the stream, for example framing that can no longer be trusted.
  virtual absl::StatusOr<Owed> Take() = 0;

  // The response or the refusal, where Take has said that it is there.
  virtual EncodedResponse TakeResponse() = 0;

  // Called when the caller has sent its last message.
  // Errors: what the stream ends with, if a request is incomplete.
  virtual absl::Status OnEnd() const = 0;

  // What the stream ends with where that is not the error of a request; logs errors.
  virtual grpc::Status FinalStatus(const absl::Status& status) const = 0;
};

}  // namespace tensorferry::rpc
