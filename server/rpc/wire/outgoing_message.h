#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstddef>

namespace tensorferry::rpc {

// OutgoingMessage is a written message on its way to gRPC. Moving it moves a pointer, while grpc::ByteBuffer has no move
// and is copied each time, which takes about 500 instructions.
class OutgoingMessage {
 public:
  OutgoingMessage() = default;
  OutgoingMessage(const grpc::Slice* slices, std::size_t count) : bytes_(slices, count) {}
  OutgoingMessage(OutgoingMessage&& other) noexcept { bytes_.Swap(&other.bytes_); }
  OutgoingMessage& operator=(OutgoingMessage&& other) noexcept {
    bytes_.Swap(&other.bytes_);
    return *this;
  }

  const grpc::ByteBuffer& bytes() const { return bytes_; }

  // Hands the bytes over, without a copy.
  grpc::ByteBuffer Take() && {
    grpc::ByteBuffer taken;
    taken.Swap(&bytes_);
    return taken;
  }

 private:
  grpc::ByteBuffer bytes_;
};

}  // namespace tensorferry::rpc
