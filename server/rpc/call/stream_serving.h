#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "rpc/call/response_queue.h"
#include "rpc/call/stream_call.h"
#include "rpc/call/stream_protocol.h"
#include "rpc/serve/call_chain.h"
#include "rpc/serve/call_resources.h"
#include "rpc/serve/call_slots.h"
#include "rpc/serve/operation.h"
#include "rpc/serve/wait_limit.h"
#include "rpc/wire/wire_writer.h"

namespace tensorferry::rpc {

// StreamServer serves one stream: its methods are the steps between the awaits of ServeStreams, and its members are
// what the steps remember.
//
// Responses that follow each other at once leave together, with one system call. For this the last message is held
// until it is known what follows it. If a model takes its time, the response goes to a ResponseQueue. From then on
// SendQueued sends the responses, while more requests are taken in, so that they may run together.
//
// Threads: one at a time calls the steps; SendQueued may run beside them.
class StreamServer {
 public:
  // `waits` is that of the coroutine which calls the steps.
  StreamServer(const CallResources& resources, StreamCall& call, StreamProtocol& protocol, WaitLimit::Member& waits)
      : resources_(resources),
        open_(resources.streams),
        call_(call),
        protocol_(protocol),
        waits_(waits),
        message_(protocol.message()) {
    protocol_.Begin(call);
  }
  StreamServer(const StreamServer&) = delete;
  StreamServer& operator=(const StreamServer&) = delete;
  ~StreamServer() { protocol_.End(); }

  // Starts to read the next message.
  void Read();

  // Returns whether to take in another message: the caller reads, and nothing has ended the stream.
  bool goes_on() const { return caller_reads_ && !ended_by_queue_ && status_.ok(); }

  // Returns whether the caller must go on within the WaitLimit, and what to do if that does not happen.
  bool awaits_rest() const { return protocol_.awaits_rest(); }
  void OnSilence();

  // Returns whether to take the message in on a thread of the WorkerPool.
  bool message_is_long() const { return protocol_.message_is_long(); }

  // Hands the message that was read to the protocol, and submits the run if a model is to run.
  void TakeIn();

  // Returns whether the rest of the message takes long, and so belongs on a thread of the WorkerPool.
  bool must_go_on() const { return owed_.unfinished; }

  // Does with the rest of the message, if there is one, what TakeIn did.
  void GoOn();

  // Returns whether the response must go to the ResponseQueue: either it does not exist yet, or others wait in the
  // queue.
  bool MustHandOver() const;

  // Adds the response to the ResponseQueue; starts SendQueued if it is the first one.
  void HandOver();

  // Returns the queue. Call it after HandOver.
  ResponseQueue& responses() { return *responses_; }

  // Returns whether to make the response on a thread of the WorkerPool. Call it if it need not be handed over.
  bool response_is_long() const { return owed_.run && owed_.run->is_long_to_answer(); }

  // Starts to read the next message, and makes the response to this one meanwhile, if one is owed.
  void Respond();

  // Holds the next message of the response. Returns true if the message that was held before is to be written first.
  bool MustWriteHeld();

  bool holds_message() const { return held_.has_value(); }

  // Writes the message that is held: `OnWritten(co_await WriteHeld(…))`. `more_follows` is that of OpenStream::Write.
  // A caller who does not read within the WaitLimit loses the stream.
  WaitLimit::Member::UntilCancelled WriteHeld(bool more_follows);
  void OnWritten(bool ok);

  // Closes the ResponseQueue. Returns false if there is none; else sent() is complete once SendQueued has ended.
  bool CloseQueue();
  Operation::Wait sent() { return Operation::Wait(sent_); }

  // Returns whether Finish is still to be called, because SendQueued has not done it.
  bool MustFinish() const;
  Operation::Wait Finish();

  // Returns whether a read was started whose end is still to be awaited.
  bool reading() const { return reading_; }

 private:
  Detached SendQueued();
  void Owe(absl::StatusOr<StreamProtocol::Owed> owed);
  absl::Status EndStatus() const;

  const CallResources& resources_;
  const OpenStreams::Place open_;
  StreamCall& call_;
  StreamProtocol& protocol_;
  WaitLimit::Member& waits_;
  grpc::ByteBuffer& message_;
  WireWriter writer_;
  absl::Status status_;                // Not OK: the stream ends with this status.
  bool status_is_of_request_ = false;  // The steps of the request have been told the status already.
  bool reading_ = false;
  bool caller_reads_ = true;
  bool ended_by_queue_ = false;              // SendQueued has ended the stream.
  StreamProtocol::Owed owed_;                // What is owed for the last message.
  std::optional<EncodedResponse> response_;  // The response whose messages are being sent.
  std::optional<OutgoingMessage> next_;      // The message that follows held_.
  std::optional<OutgoingMessage> held_;
  Sending sending_;                         // Of the response whose last message is held_.
  std::optional<ResponseQueue> responses_;  // Exists once a model's run was not complete at once.
  Operation sent_;
};

// Serves the streams of `call`, one after another.
Detached ServeStreams(CallResources resources, CallSlots& slots, std::unique_ptr<StreamCall> call,
                      std::unique_ptr<StreamProtocol> protocol);

// Serves the streams of a method of a gRPC service.
// `Protocol` is a StreamProtocol that is made from `environment`. `expect` is that of GrpcStreamCall.
template <typename Protocol, typename Environment, typename Expect>
void ServeStream(const CallResources& resources, CallSlots& slots, const Environment& environment, Expect expect) {
  ServeStreams(resources, slots, std::make_unique<GrpcStreamCall<Expect>>(std::move(expect)),
               std::make_unique<Protocol>(environment));
}

}  // namespace tensorferry::rpc
