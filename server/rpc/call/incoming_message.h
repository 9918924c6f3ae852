#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <spdlog/spdlog.h>

#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "rpc/wire/parsed_message.h"

namespace tensorferry::rpc {

// The memory of a message whose elements are still needed, though the next message may have come.
struct HeldMessage {
  std::vector<grpc::Slice> slices;
  std::vector<Bytes> pieces;
  ParsedMessage parsed;
};

// A message as gRPC hands it over, and what it says. Used for one message after another.
// `Decoder`: ConvertDecoder, ConvertStreamDecoder or InferDecoder.
template <typename Decoder>
class IncomingMessage {
 public:
  grpc::ByteBuffer bytes;  // For gRPC to fill.

  // Errors: those of the decoder.
  absl::Status Decode() {
    bytes.Dump(&slices_).ok();  // Counts references. Nothing to dump: no slices.
    spdlog::trace("message of {} bytes in {} slices", bytes.Length(), slices_.size());
    pieces_.clear();
    for (const grpc::Slice& slice : slices_) pieces_.push_back(std::as_bytes(std::span(slice.begin(), slice.size())));
    return decoder_.Decode(pieces_);
  }

  // What it says; borrows it.
  const Decoder& decoded() const { return decoder_; }
  Decoder& decoder() { return decoder_; }

  // Let go of the elements, which stay where they are; of what was decoded only ScatteredBytes go on.
  HeldMessage Hold() {
    bytes.Clear();
    return {std::exchange(slices_, {}), std::exchange(pieces_, {}), decoder_.TakeParsed()};
  }

  // Give its memory back.
  void Clear() {
    slices_.clear();
    bytes.Clear();
    decoder_.Clear();
  }

 private:
  std::vector<grpc::Slice> slices_;
  std::vector<Bytes> pieces_;
  Decoder decoder_;
};

}  // namespace tensorferry::rpc
