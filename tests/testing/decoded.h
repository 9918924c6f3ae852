#pragma once

#include <cstdlib>
#include <span>
#include <string>

#include "rpc/native/request_decoder.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry {

// MessageKind says which message the bytes are of.
enum class MessageKind { kConvertRequest, kConvertStreamRequest };

// DecoderOfEither has decoders of both messages, for tests that take the kind of a message from a table.
class DecoderOfEither {
 public:
  absl::Status Decode(std::span<const Bytes> message, MessageKind kind) {
    const bool unary = kind == MessageKind::kConvertRequest;
    last_ = unary ? static_cast<const rpc::RequestDecoder*>(&unary_) : &stream_;
    return unary ? unary_.Decode(message) : stream_.Decode(message);
  }

  // Returns the decoder that was used last.
  const rpc::RequestDecoder& last() const { return *last_; }

 private:
  rpc::ConvertDecoder unary_;
  rpc::ConvertStreamDecoder stream_;
  const rpc::RequestDecoder* last_ = nullptr;
};

// Decoded is a message that a caller's generated code wrote and the server decoded.
class Decoded {
 public:
  explicit Decoded(const v1::ConvertRequest& request)
      : Decoded(request.SerializeAsString(), MessageKind::kConvertRequest) {}
  explicit Decoded(const v1::ConvertStreamRequest& message)
      : Decoded(message.SerializeAsString(), MessageKind::kConvertStreamRequest) {}
  Decoded(const Decoded&) = delete;
  Decoded& operator=(const Decoded&) = delete;

  const rpc::RequestDecoder& message() const { return decoder_.last(); }
  const rpc::RequestView& request() const { return message().request(); }

 private:
  Decoded(std::string bytes, MessageKind kind) : bytes_(std::move(bytes)), piece_(std::as_bytes(std::span(bytes_))) {
    if (!decoder_.Decode({&piece_, 1}, kind).ok()) std::abort();
  }

  const std::string bytes_;
  const Bytes piece_;  // The views in decoder_ borrow it, too.
  DecoderOfEither decoder_;
};

}  // namespace tensorferry
