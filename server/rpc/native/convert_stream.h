#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rpc/call/encoded_response.h"
#include "rpc/call/intake.h"
#include "rpc/call/output_place.h"
#include "rpc/call/response.h"
#include "rpc/native/request_decoder.h"
#include "rpc/serve/async_call.h"
#include "rpc/serve/call_chain.h"
#include "rpc/wire/wire_writer.h"

namespace tensorferry::rpc {

// StreamedConvert is the ResponseProtocol of one request on ConvertStream.
class StreamedConvert {
 public:
  explicit StreamedConvert(const CallEnvironment& environment) : environment_(&environment) {}

  void set_id(std::string_view id) { id_ = id; }
  void set_output(std::optional<OutputPlace> output) { output_ = std::move(output); }

  // Errors: those of EncodeStreamResponse.
  absl::StatusOr<EncodedResponse> Encode(Response& response, WireWriter& writer);

  bool IsLongToAnswer(const inference::PipelineResponse& result) const { return output_ && IsLongToWrite(result); }
  static absl::Status Worded(const absl::Status& error) { return error; }
  std::string_view request_id() const { return id_; }
  BufferPool& pool() const { return environment_->pool; }

  // Refuses the request with a response on the stream.
  EncodedResponse Refuse(const absl::Status& error);

 private:
  const CallEnvironment* environment_;
  std::string id_;
  std::optional<OutputPlace> output_;  // Nothing: all elements are sent.
};

// ConvertStreamSession is the framing of one ConvertStream: it knows which message may come next, what is refused in
// place, and what ends the stream. It knows nothing of gRPC's streams: messages are handed in, and a response is
// fetched if one is owed.
class ConvertStreamSession {
 public:
  // `call` is the call of the stream, and outlives this object.
  ConvertStreamSession(const CallEnvironment& environment, AsyncCall& call)
      : environment_(environment), call_(call), request_(environment) {}

  // Takes in the next message, which has `nbytes` bytes. Must not be called while a response is owed. If is_long()
  // afterwards, GoOn comes next.
  // Errors: BAD_CHUNK if the framing can no longer be trusted; the stream ends with it.
  absl::Status OnMessage(const RequestDecoder& message, std::size_t nbytes);

  // Returns whether what is left of the last message takes long, and so belongs on a thread of the WorkerPool: its
  // request names much in memory of the caller's, or it was the last of many chunks, and all of them become a tensor
  // now.
  bool is_long() const { return is_long_; }

  // Takes in what is left of the last message. `request` is what that message says, if it is a request.
  void GoOn(const RequestView& request);

  // Returns whether the last message completed a request, or led to the refusal of one.
  bool owes_response() const { return !refusal_.ok() || (intake_ && !intake_->awaited_array()); }

  // Returns whether the response that is owed comes from a model. If so, TakeIntake and TakeRequest give what a run
  // needs; else TakeResponse gives the response.
  bool runs_model() const { return refusal_.ok() && intake_ && intake_->runs_model(); }

  // Returns whether a request is incomplete. Must not be called while a response is owed.
  bool awaits_rest() const { return intake_.has_value(); }

  // Returns the response that is owed, or the refusal.
  EncodedResponse TakeResponse();

  // Returns the request that was completed. Its elements may still be in the last message.
  Intake TakeIntake() { return *std::exchange(intake_, std::nullopt); }

  // Returns the admission of that request: it tells the steps when the request ends.
  Admission TakeAdmission();

  // Returns the object that encodes the response to that request.
  StreamedConvert TakeRequest() { return std::exchange(request_, StreamedConvert(environment_)); }

  // Called when the caller has sent its last message.
  // Errors: BAD_CHUNK if chunks were still awaited.
  absl::Status OnEnd() const;

 private:
  absl::Status OnRequest(const RequestView& request, bool parsed);
  absl::Status OnChunk(const ScatteredBytes& chunk);
  absl::Status CountEmptyChunk(const ScatteredBytes& chunk);
  void RefuseRequest(const absl::Status& refusal, const RequestView& request);

  const CallEnvironment& environment_;
  AsyncCall& call_;
  WireWriter writer_;
  StreamedConvert request_;             // The last request.
  std::optional<Admission> admission_;  // Belongs to request_. Nothing once the response was taken.
  std::optional<Intake> intake_;        // Nothing if request_ is refused, or its response was taken.
  absl::Status refusal_;                // Says why request_ is refused, until the refusal was taken.
  std::uint64_t droppable_ = 0;         // The bytes of chunks that may still come for a refused request.
  int empty_chunks_ = 0;                // The number of chunks without bytes that came for request_.
  bool is_long_ = false;
};

}  // namespace tensorferry::rpc
