#pragma once

#include <span>

#include "absl/status/status.h"
#include "base/buffer_pool.h"
#include "rpc/call/request_view.h"
#include "rpc/native/wire_reader.h"
#include "rpc/wire/parsed_message.h"
#include "rpc/wire/shrink.h"

namespace tensorferry::v1 {
class ConvertStreamRequest;
}

namespace tensorferry::rpc {

struct MessageLayout;

// RequestDecoder decodes one message after another: in place if the message is written as usual, else by protobuf's
// parser. The result does not show which of them has read the message. ConvertDecoder and ConvertStreamDecoder decode
// the messages of the two methods.
class RequestDecoder {
 public:
  RequestDecoder(const RequestDecoder&) = delete;  // Views may refer to the decoder's own scratch memory.
  RequestDecoder& operator=(const RequestDecoder&) = delete;

  // Gives back the memory that an unusual message took. request() is empty then.
  void Clear() {
    parsed_.Clear();
    ClearAndShrink(request_.requested_outputs);
    ClearAndShrink(request_.arrays);
  }

  // These functions return what the last message said. They borrow that message until the next call of Decode.
  StreamPart part() const { return part_; }
  const RequestView& request() const { return request_; }
  const ScatteredBytes& chunk() const { return chunk_; }

  // Returns whether protobuf's parser has read it, so that elements lie in what that has made.
  bool parsed() const { return parsed_.message != nullptr; }

 protected:
  RequestDecoder() = default;
  ~RequestDecoder() = default;

  // Returns a new message for protobuf's parser. It lives in parsed_.
  v1::ConvertStreamRequest& NewParsed();

  // Has protobuf's parser fill `target`, a part of what NewParsed has returned. Errors: those of ConvertDecoder::Decode.
  absl::Status ParseInto(google::protobuf::Message& target, std::span<const Bytes> message, const MessageLayout& layout,
                         const PoolFor* pool);

  // Takes over the message that NewParsed has returned and protobuf's parser has filled.
  void TakeOver(const v1::ConvertStreamRequest& parsed);

  StreamPart part_ = StreamPart::kNone;
  RequestView request_;
  ScatteredBytes chunk_;
  WireScratch scratch_;
  ParsedMessage parsed_;
};

// ConvertDecoder decodes the messages of Convert; part() is kRequest.
class ConvertDecoder final : public RequestDecoder {
 public:
  static bool IsLongToRead(std::span<const Bytes> message);

  // The memory budget of `pool` admits what protobuf's parser makes of the message, until Clear; null: nothing is
  // admitted.
  // Errors: BAD_CHUNK if the message does not parse; those of CheckMetadataSize, CheckFieldCounts and ReserveRoom.
  absl::Status Decode(std::span<const Bytes> message, const PoolFor* pool = nullptr);
};

// ConvertStreamDecoder decodes the messages of ConvertStream.
class ConvertStreamDecoder final : public RequestDecoder {
 public:
  static bool IsLongToRead(std::span<const Bytes> message);

  // `pool` and errors are those of ConvertDecoder::Decode.
  absl::Status Decode(std::span<const Bytes> message, const PoolFor* pool = nullptr);
};

}  // namespace tensorferry::rpc
