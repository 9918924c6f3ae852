#pragma once

#include <string>

#include "rpc/native/request_decoder.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry {

// A message as a caller's generated code writes it, and as the server decodes it.
class Decoded {
 public:
  explicit Decoded(const v1::ConvertRequest& request)
      : Decoded(request.SerializeAsString(), rpc::MessageKind::kConvertRequest) {}
  explicit Decoded(const v1::ConvertStreamRequest& message)
      : Decoded(message.SerializeAsString(), rpc::MessageKind::kConvertStreamRequest) {}
  Decoded(const Decoded&) = delete;
  Decoded& operator=(const Decoded&) = delete;

  const rpc::RequestDecoder& message() const { return decoder_; }
  const rpc::RequestView& request() const { return decoder_.request(); }

 private:
  Decoded(std::string bytes, rpc::MessageKind kind)
      : bytes_(std::move(bytes)), piece_(std::as_bytes(std::span(bytes_))) {
    if (!decoder_.Decode({&piece_, 1}, kind).ok()) std::abort();
  }

  const std::string bytes_;
  const Bytes piece_;  // What is decoded borrows it, too.
  rpc::RequestDecoder decoder_;
};

}  // namespace tensorferry
