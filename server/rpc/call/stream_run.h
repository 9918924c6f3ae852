#pragma once

#include <utility>

#include "absl/status/statusor.h"
#include "rpc/call/encoded_response.h"
#include "rpc/call/model_request.h"
#include "rpc/call/protocol.h"
#include "rpc/serve/call_chain.h"
#include "rpc/serve/guarded.h"
#include "rpc/serve/operation.h"
#include "rpc/wire/wire_writer.h"

namespace tensorferry::rpc {

// StreamRun is a request on a stream that a model runs. Its call outlives it.
class StreamRun {
 public:
  virtual ~StreamRun() = default;

  // Called once; see ModelRequest::Submit.
  virtual void Submit() = 0;

  // Complete once the model has run.
  virtual Operation& finished() = 0;

  // Returns whether TakeResponse takes long, and so belongs on a thread of the WorkerPool. Called before it, after finished()
  // is complete.
  virtual bool is_long_to_answer() const = 0;

  // Returns the response or the refusal. Called once, after finished() is complete, on any thread.
  virtual EncodedResponse TakeResponse(WireWriter& writer) = 0;
};

// ModelStreamRun is a ModelRequest whose response `P` encodes.
template <ResponseProtocol P>
class ModelStreamRun final : public StreamRun {
 public:
  ModelStreamRun(Intake intake, HeldMessage message, Admission admission, P protocol)
      : request_(std::move(intake), std::move(message), admission.caller()),
        admission_(std::move(admission)),
        protocol_(std::move(protocol)) {}

  void Submit() override { request_.Submit(); }
  Operation& finished() override { return request_.finished; }
  bool is_long_to_answer() const override { return request_.result.ok() && protocol_.IsLongToAnswer(*request_.result); }
  EncodedResponse TakeResponse(WireWriter& writer) override {
    absl::StatusOr<Response> response = Guarded([this] { return request_.TakeResponse(); });
    return EndRequest(protocol_, admission_, response, writer);
  }

 private:
  ModelRequest request_;
  Admission admission_;
  P protocol_;
};

}  // namespace tensorferry::rpc
