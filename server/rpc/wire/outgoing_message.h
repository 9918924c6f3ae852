#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <memory>
#include <utility>

namespace tensorferry::rpc {

// OutgoingMessage is a written message on its way to gRPC. Moving it moves a pointer, while grpc::ByteBuffer has no move
// and is copied each time, which takes about 500 instructions.
class OutgoingMessage {
 public:
  OutgoingMessage() = default;
  // `own_bytes` is how many of the bytes have memory of this message, and are not referenced where they lie.
  OutgoingMessage(const grpc::Slice* slices, std::size_t count, std::size_t own_bytes = 0)
      : bytes_(slices, count), own_bytes_(own_bytes) {}
  OutgoingMessage(OutgoingMessage&& other) noexcept : own_bytes_(other.own_bytes_), kept_(std::move(other.kept_)) {
    bytes_.Swap(&other.bytes_);
  }
  OutgoingMessage& operator=(OutgoingMessage&& other) noexcept {
    bytes_.Swap(&other.bytes_);
    own_bytes_ = other.own_bytes_;
    kept_.swap(other.kept_);
    return *this;
  }

  const grpc::ByteBuffer& bytes() const { return bytes_; }
  std::size_t own_bytes() const { return own_bytes_; }

  // Keeps `what` as long as this object, which is to be kept until gRPC has sent the message.
  void Keep(std::shared_ptr<const void> what) { kept_ = std::move(what); }
  const std::shared_ptr<const void>& kept() const { return kept_; }

  // Hands the bytes over, without a copy.
  grpc::ByteBuffer Take() && {
    grpc::ByteBuffer taken;
    taken.Swap(&bytes_);
    return taken;
  }

 private:
  grpc::ByteBuffer bytes_;
  std::size_t own_bytes_ = 0;
  std::shared_ptr<const void> kept_;
};

}  // namespace tensorferry::rpc
