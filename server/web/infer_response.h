#pragma once

#include "base/buffer_pool.h"
#include "http/message.h"
#include "inference/grpc_service.pb.h"
#include "web/infer_body.h"
#include "web/infer_message.h"

namespace tensorferry::web {

// AskedOutputs is what a request says of the outputs that it wants.
struct AskedOutputs {
  google::protobuf::RepeatedPtrField<inference::ModelInferRequest::InferRequestedOutputTensor> outputs;
  OutputWishes wishes;
};

// Returns HTTP's response, with the outputs in the forms that are wanted. The pool's budget admits what is JSON, for its
// peer.
http::Response InferResponse(InferAnswer answer, const AskedOutputs& asked, const PoolFor& pool);

}  // namespace tensorferry::web
