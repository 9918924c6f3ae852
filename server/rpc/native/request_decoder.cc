#include "rpc/native/request_decoder.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "base/status.h"
#include "rpc/native/from_proto.h"
#include "rpc/wire/piece_stream.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::rpc {

absl::Status RequestDecoder::Decode(std::span<const Bytes> message, MessageKind kind) {
  TENSORFERRY_RETURN_IF_ERROR(CheckMetadataSize(message, kind));
  return ReadInPlace(message, kind) ? absl::OkStatus() : Parse(message, kind);
}

void RequestDecoder::Clear() { parsed_.message.reset(); }

bool RequestDecoder::ReadInPlace(std::span<const Bytes> message, MessageKind kind) {
  if (kind == MessageKind::kConvertStreamRequest) return ReadStreamRequest(message, scratch_, part_, request_, chunk_);
  part_ = StreamPart::kRequest;
  return ReadConvertRequest(message, scratch_, request_);
}

absl::Status RequestDecoder::Parse(std::span<const Bytes> message, MessageKind kind) {
  auto owned = std::make_unique<v1::ConvertStreamRequest>();
  v1::ConvertStreamRequest& parsed = *owned;
  parsed_.message = std::move(owned);
  google::protobuf::Message& target = kind == MessageKind::kConvertRequest
                                          ? static_cast<google::protobuf::Message&>(*parsed.mutable_request())
                                          : parsed;
  PieceStream stream(message);
  if (!target.ParseFromZeroCopyStream(&stream)) {
    std::size_t size = 0;
    for (const Bytes& piece : message) size += piece.size();
    return MakeError(Reason::kBadChunk,
                     fmt::format("the message does not parse as {}", target.GetDescriptor()->full_name()),
                     {.field = "message", .actual = fmt::format("{} bytes", size)});
  }
  switch (parsed.part_case()) {
    case v1::ConvertStreamRequest::kRequest:
      part_ = StreamPart::kRequest;
      FromProto(parsed.request(), parsed_.pieces, request_);
      break;
    case v1::ConvertStreamRequest::kChunk:
      part_ = StreamPart::kChunk;
      parsed_.pieces = {std::as_bytes(std::span(parsed.chunk()))};
      chunk_ = ScatteredBytes(parsed_.pieces.data(), 0, parsed.chunk().size());
      break;
    case v1::ConvertStreamRequest::PART_NOT_SET: part_ = StreamPart::kNone;
  }
  return absl::OkStatus();
}

}  // namespace tensorferry::rpc
