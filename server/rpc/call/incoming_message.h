#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <spdlog/spdlog.h>

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "rpc/serve/worker_pool.h"
#include "rpc/wire/message_weight.h"
#include "rpc/wire/shrink.h"

namespace tensorferry::rpc {

// HeldMessage is the memory of a message whose elements are still needed, while IncomingMessage takes the next message.
struct HeldMessage {
  std::vector<grpc::Slice> slices;
  std::vector<Bytes> pieces;
};

// IncomingMessage takes one message after another from gRPC, and decodes it.
// `Decoder` is ConvertDecoder, ConvertStreamDecoder or InferDecoder.
template <typename Decoder>
class IncomingMessage {
 public:
  grpc::ByteBuffer bytes;  // gRPC puts the message here.

  // Returns whether the message is for a thread of the WorkerPool: it has many bytes, or is long to read all the same.
  bool is_long() {
    unpacked_ = false;  // What was unpacked before is another message, if that was refused unread.
    const std::size_t nbytes = bytes.Length();
    if (nbytes < kLongToReadFrom || nbytes >= kLongCopy) return nbytes >= kLongCopy;
    Unpack();
    unpacked_ = true;
    return Decoder::IsLongToRead(pieces_);
  }

  // `with` is what the decoder needs beside the message.
  // Errors: those of the decoder.
  template <typename... With>
  absl::Status Decode(const With&... with) {
    if (!std::exchange(unpacked_, false)) Unpack();
    return decoder_.Decode(pieces_, with...);
  }

  // Returns the message that was decoded last; borrows its memory.
  const Decoder& decoded() const { return decoder_; }
  Decoder& decoder() { return decoder_; }

  // Hands over the memory of a message that was read in place. The elements stay where they are, so that ScatteredBytes
  // of decoded() remain valid; the rest of decoded() does not.
  HeldMessage Hold() {
    bytes.Clear();
    HeldMessage held{std::exchange(slices_, {}), std::exchange(pieces_, {})};
    decoder_.Clear();
    return held;
  }

  // Gives the memory of the message back.
  void Clear() {
    unpacked_ = false;
    ClearAndShrink(slices_);
    ClearAndShrink(pieces_);
    bytes.Clear();
    decoder_.Clear();
  }

 private:
  void Unpack() {
    bytes.Dump(&slices_).ok();  // Copies nothing; fails only for an empty message, which leaves no slices.
    spdlog::trace("message of {} bytes in {} slices", bytes.Length(), slices_.size());
    pieces_.clear();
    for (const grpc::Slice& slice : slices_) pieces_.push_back(std::as_bytes(std::span(slice.begin(), slice.size())));
  }

  std::vector<grpc::Slice> slices_;
  std::vector<Bytes> pieces_;
  bool unpacked_ = false;  // Whether slices_ and pieces_ are those of `bytes`, which is still to be decoded.
  Decoder decoder_;
};

}  // namespace tensorferry::rpc
