#pragma once

#include <span>
#include <utility>

#include "absl/status/status.h"
#include "rpc/call/request_view.h"
#include "rpc/native/wire_reader.h"
#include "rpc/wire/message_guard.h"
#include "rpc/wire/parsed_message.h"

namespace tensorferry::rpc {

// Decodes one message after another: in place where it is written as usual, else by protobuf's parser. Which of them
// read a message cannot be told from the result.
class RequestDecoder {
 public:
  RequestDecoder() = default;
  RequestDecoder(const RequestDecoder&) = delete;  // Views may be of its own scratch memory.
  RequestDecoder& operator=(const RequestDecoder&) = delete;

  // Decode a message. part(), request() and chunk() borrow it until the next call.
  // Errors: BAD_CHUNK if it does not parse; those of CheckMetadataSize.
  absl::Status Decode(std::span<const Bytes> message, MessageKind kind);

  // Give back what a large message took.
  void Clear();

  ParsedMessage TakeParsed() { return std::exchange(parsed_, {}); }

  StreamPart part() const { return part_; }  // kRequest after a ConvertRequest.
  const RequestView& request() const { return request_; }
  const ScatteredBytes& chunk() const { return chunk_; }

 private:
  bool ReadInPlace(std::span<const Bytes> message, MessageKind kind);
  absl::Status Parse(std::span<const Bytes> message, MessageKind kind);

  StreamPart part_ = StreamPart::kNone;
  RequestView request_;
  ScatteredBytes chunk_;
  WireScratch scratch_;
  ParsedMessage parsed_;
};

}  // namespace tensorferry::rpc
