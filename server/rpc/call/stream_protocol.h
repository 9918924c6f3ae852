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

// StreamProtocol says how a protocol reads a stream of requests, message by message, and how it writes the responses.
// StreamServer uses the same object for one stream after another, so that its memory is taken once.
class StreamProtocol {
 public:
  // Owed says what the server owes to the caller after a message: nothing while a request is incomplete.
  struct Owed {
    std::unique_ptr<StreamRun> run;  // Not null: the response will come from this run, which is not submitted yet.
    bool response = false;           // The response can be had now: call TakeResponse before the next Take.
    bool unfinished = false;         // Nothing yet: the rest of the message takes long. GoOn says what is owed.
  };

  virtual ~StreamProtocol() = default;

  // Begins a stream. `call` outlives the stream and every StreamRun of it.
  virtual void Begin(AsyncCall& call) = 0;

  // Ends the stream, and forgets everything about it, an incomplete request included.
  virtual void End() = 0;

  // Returns the memory into which gRPC reads each message. It is the same for all messages.
  virtual grpc::ByteBuffer& message() = 0;

  // Returns whether the message that message() holds takes long, and so belongs on a thread of the WorkerPool.
  virtual bool message_is_long() = 0;

  // Takes in the message that message() holds, and empties it unless something is unfinished.
  // Errors: what ends the stream, for example framing that can no longer be trusted.
  virtual absl::StatusOr<Owed> Take() = 0;

  // Takes in the rest of the message, on a thread of the WorkerPool. Call it if Take has set Owed::unfinished, before
  // anything else; `unfinished` is false afterwards.
  // Errors: those of Take.
  virtual absl::StatusOr<Owed> GoOn() = 0;

  // Returns the response or the refusal. Call it if Take or GoOn has set Owed::response.
  virtual EncodedResponse TakeResponse() = 0;

  // Returns whether a request is incomplete, which holds memory for what is still to come.
  virtual bool awaits_rest() const = 0;

  // Called when the caller has sent its last message.
  // Errors: what the stream ends with, if a request is incomplete.
  virtual absl::Status OnEnd() const = 0;

  // Returns the status with which the stream ends if no request's error ends it. Logs errors.
  virtual grpc::Status FinalStatus(const absl::Status& status) const = 0;
};

}  // namespace tensorferry::rpc
