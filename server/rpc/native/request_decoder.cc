#include "rpc/native/request_decoder.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "base/status.h"
#include "rpc/native/from_proto.h"
#include "rpc/native/message_layouts.h"
#include "rpc/wire/message_guard.h"
#include "rpc/wire/message_weight.h"
#include "rpc/wire/parsing_room.h"
#include "rpc/wire/piece_stream.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::rpc {

bool ConvertDecoder::IsLongToRead(std::span<const Bytes> message) {
  return rpc::IsLongToRead(message, kConvertRequestLayout);
}

bool ConvertStreamDecoder::IsLongToRead(std::span<const Bytes> message) {
  return rpc::IsLongToRead(message, kConvertStreamRequestLayout);
}

absl::Status ConvertDecoder::Decode(std::span<const Bytes> message, const PoolFor* pool) {
  parsed_.Clear();
  TENSORFERRY_RETURN_IF_ERROR(CheckMetadataSize(message, kConvertRequestLayout));
  part_ = StreamPart::kRequest;
  if (ReadConvertRequest(message, scratch_, request_)) return absl::OkStatus();
  v1::ConvertStreamRequest& parsed = NewParsed();
  TENSORFERRY_RETURN_IF_ERROR(ParseInto(*parsed.mutable_request(), message, kConvertRequestLayout, pool));
  TakeOver(parsed);
  return absl::OkStatus();
}

absl::Status ConvertStreamDecoder::Decode(std::span<const Bytes> message, const PoolFor* pool) {
  parsed_.Clear();
  TENSORFERRY_RETURN_IF_ERROR(CheckMetadataSize(message, kConvertStreamRequestLayout));
  if (ReadStreamRequest(message, scratch_, part_, request_, chunk_)) return absl::OkStatus();
  v1::ConvertStreamRequest& parsed = NewParsed();
  TENSORFERRY_RETURN_IF_ERROR(ParseInto(parsed, message, kConvertStreamRequestLayout, pool));
  TakeOver(parsed);
  return absl::OkStatus();
}

v1::ConvertStreamRequest& RequestDecoder::NewParsed() {
  auto owned = std::make_unique<v1::ConvertStreamRequest>();
  v1::ConvertStreamRequest& parsed = *owned;
  parsed_.message = std::move(owned);
  return parsed;
}

absl::Status RequestDecoder::ParseInto(google::protobuf::Message& target, std::span<const Bytes> message,
                                       const MessageLayout& layout, const PoolFor* pool) {
  TENSORFERRY_ASSIGN_OR_RETURN(const RoomToParse room, CheckFieldCounts(message, layout));
  TENSORFERRY_ASSIGN_OR_RETURN(ParsingRoom reserved, ReserveRoom(room, pool));
  parsed_.counted = std::move(reserved.kept);
  PieceStream stream(message);
  if (target.ParseFromZeroCopyStream(&stream)) return absl::OkStatus();
  std::size_t size = 0;
  for (const Bytes& piece : message) size += piece.size();
  return MakeError(Reason::kBadChunk,
                   fmt::format("the message does not parse as {}", target.GetDescriptor()->full_name()),
                   {.field = "message", .actual = fmt::format("{} bytes", size)});
}

void RequestDecoder::TakeOver(const v1::ConvertStreamRequest& parsed) {
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
}

}  // namespace tensorferry::rpc
