#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"
#include "inference/grpc_service.pb.h"
#include "web/infer_body.h"

namespace tensorferry::web {

// Returns the message of a request. Elements that came as bytes stay where they are, in the body, which the message
// keeps by `body_owner`.
grpc::ByteBuffer InferMessage(InferBody body, const std::shared_ptr<const void>& body_owner);

// InferAnswer is a response taken apart.
struct InferAnswer {
  inference::ModelInferResponse message;  // Without the elements.
  // The elements of each output, in pieces that lie in `owner`.
  std::vector<std::vector<std::string_view>> raw;
  std::shared_ptr<const void> owner;
};

// Returns false if the bytes are no response.
bool ReadInferAnswer(const grpc::ByteBuffer& bytes, InferAnswer& answer);

// Returns HTTP's response, with the outputs in the forms that `asked` wants.
http::Response InferResponse(InferAnswer answer, const InferBody& asked);

}  // namespace tensorferry::web
