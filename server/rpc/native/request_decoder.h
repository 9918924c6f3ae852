#pragma once

#include <span>
#include <utility>

#include "absl/status/status.h"
#include "rpc/call/request_view.h"
#include "rpc/native/wire_reader.h"
#include "rpc/wire/parsed_message.h"

namespace tensorferry::v1 {
class ConvertStreamRequest;
}

namespace tensorferry::rpc {

// Decodes one message after another: in place where it is written as usual, else by protobuf's parser. Which of them
// read a message cannot be told from the result. ConvertDecoder and ConvertStreamDecoder say which message that is.
class RequestDecoder {
 public:
  RequestDecoder(const RequestDecoder&) = delete;  // Views may be of its own scratch memory.
  RequestDecoder& operator=(const RequestDecoder&) = delete;

  // Gives back the memory that a large message took.
  void Clear() { parsed_.message.reset(); }

  ParsedMessage TakeParsed() { return std::exchange(parsed_, {}); }

  // What the last message said; it borrows that message until the next call of Decode.
  StreamPart part() const { return part_; }
  const RequestView& request() const { return request_; }
  const ScatteredBytes& chunk() const { return chunk_; }

 protected:
  RequestDecoder() = default;
  ~RequestDecoder() = default;

  // A new message for protobuf's parser; it lives in parsed_.
  v1::ConvertStreamRequest& NewParsed();

  // Takes over what protobuf's parser made of the message that NewParsed gave.
  void TakeOver(const v1::ConvertStreamRequest& parsed);

  StreamPart part_ = StreamPart::kNone;
  RequestView request_;
  ScatteredBytes chunk_;
  WireScratch scratch_;
  ParsedMessage parsed_;
};

// Decodes the messages of Convert; part() is kRequest.
class ConvertDecoder final : public RequestDecoder {
 public:
  // Errors: BAD_CHUNK if the message does not parse; those of CheckMetadataSize.
  absl::Status Decode(std::span<const Bytes> message);
};

// Decodes the messages of ConvertStream.
class ConvertStreamDecoder final : public RequestDecoder {
 public:
  // Errors: BAD_CHUNK if the message does not parse; those of CheckMetadataSize.
  absl::Status Decode(std::span<const Bytes> message);
};

}  // namespace tensorferry::rpc
