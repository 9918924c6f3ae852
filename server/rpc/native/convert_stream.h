#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "rpc/call/intake.h"
#include "rpc/native/reply.h"
#include "rpc/native/request_decoder.h"

namespace tensorferry::rpc {

// Refuses a request with a response on the stream, and logs the error.
EncodedResponse RefuseInStream(const std::string& request_id, const absl::Status& error);

// The framing of one ConvertStream: which message may come next, what is answered in place, what ends the stream. Knows
// nothing of gRPC's streams: messages are handed in, and a reply is fetched where one is owed.
class ConvertStreamSession {
 public:
  explicit ConvertStreamSession(const CallEnvironment& environment) : environment_(environment) {}

  // The next message; not while an answer is owed.
  // Errors: BAD_CHUNK if the framing can no longer be trusted; the stream ends with it.
  absl::Status OnMessage(const RequestDecoder& message);

  // Whether the last message completed a request, or spoiled one.
  bool owes_response() const { return !refusal_.ok() || (call_ && !call_->awaited_array()); }

  // Whether what is owed is what a model makes of the request: then TakeCall gives the request, else TakeReply the
  // reply.
  bool runs_model() const { return refusal_.ok() && call_ && call_->runs_model(); }

  // What is owed: the result, or the refusal.
  EncodedResponse TakeReply();

  // The request that was completed; its elements may still be in the last message.
  Intake TakeCall() { return *std::exchange(call_, std::nullopt); }

  // The caller has sent its last message.
  // Errors: BAD_CHUNK if chunks were still awaited.
  absl::Status OnEnd() const;

 private:
  absl::Status OnRequest(const RequestView& request);
  absl::Status OnChunk(const ScatteredBytes& chunk);
  absl::Status CountEmptyChunk(const ScatteredBytes& chunk);
  absl::StatusOr<EncodedResponse> Run();

  const CallEnvironment& environment_;
  WireWriter writer_;
  std::string request_id_;
  std::optional<Intake> call_;   // The request that is not answered yet.
  absl::Status refusal_;         // Of the request that is not answered yet.
  std::uint64_t droppable_ = 0;  // Bytes of a refused request's chunks that may still come.
  int empty_chunks_ = 0;         // Of this request.
};

}  // namespace tensorferry::rpc
