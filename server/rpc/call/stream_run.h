#pragma once

#include "rpc/call/encoded_response.h"
#include "rpc/call/model_request.h"
#include "rpc/wire/wire_writer.h"

namespace tensorferry::rpc {

// A request on a stream that a model runs.
class StreamRun : public ModelRequest {
 public:
  using ModelRequest::ModelRequest;

  // What it is answered with, once it is finished.
  virtual EncodedResponse TakeReply(WireWriter& writer) = 0;
};

}  // namespace tensorferry::rpc
