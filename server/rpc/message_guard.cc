#include "rpc/message_guard.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <cstdint>
#include <limits>

#include "base/status.h"
#include "rpc/piece_stream.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::rpc {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

enum class Level { kStreamMessage, kRequest, kArray };

// Whether a field of this message holds elements.
bool HoldsElements(Level level, int field) {
  switch (level) {
    case Level::kStreamMessage: return field == v1::ConvertStreamRequest::kChunkFieldNumber;
    case Level::kRequest: return false;
    case Level::kArray: return field == v1::Array::kDataFieldNumber || field == v1::Array::kNpyFieldNumber;
  }
  __builtin_unreachable();
}

// Whether a field of this message leads to elements; `inner` is then the message that it holds.
bool LeadsToElements(Level level, int field, Level& inner) {
  if (level == Level::kStreamMessage && field == v1::ConvertStreamRequest::kRequestFieldNumber) {
    inner = Level::kRequest;
    return true;
  }
  if (level == Level::kRequest && field == v1::ConvertRequest::kArraysFieldNumber) {
    inner = Level::kArray;
    return true;
  }
  return false;
}

// Adds the bytes of elements up to the end of the message, or to where it does not parse: protobuf's parser has its say
// about that afterwards.
void AddElementBytes(CodedInputStream& input, Level level, std::uint64_t& nbytes) {
  while (const std::uint32_t tag = input.ReadTag()) {
    if (WireFormatLite::GetTagWireType(tag) != WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      if (!WireFormatLite::SkipField(&input, tag)) return;
      continue;
    }
    const int field = WireFormatLite::GetTagFieldNumber(tag);
    std::uint32_t length = 0;
    if (!input.ReadVarint32(&length) || length > std::numeric_limits<int>::max()) return;
    const auto size = static_cast<int>(length);
    Level inner{};
    if (LeadsToElements(level, field, inner)) {
      const auto limit = input.PushLimit(size);
      AddElementBytes(input, inner, nbytes);
      input.Skip(input.BytesUntilLimit());
      input.PopLimit(limit);
    } else {
      if (!input.Skip(size)) return;
      if (HoldsElements(level, field)) nbytes += length;
    }
  }
}

}  // namespace

absl::Status CheckMetadataSize(std::span<const Bytes> message, MessageKind kind) {
  std::size_t size = 0;
  for (const Bytes& piece : message) size += piece.size();
  if (size <= kMaxMetadataBytes) return absl::OkStatus();
  PieceStream stream(message);
  CodedInputStream input(&stream);
  std::uint64_t elements = 0;
  AddElementBytes(input, kind == MessageKind::kConvertRequest ? Level::kRequest : Level::kStreamMessage, elements);
  const std::uint64_t metadata = size - elements;
  if (metadata <= kMaxMetadataBytes) return absl::OkStatus();
  return MakeError(
      Reason::kTensorTooLarge,
      fmt::format("{} bytes of the message are not elements, at most {} are taken", metadata, kMaxMetadataBytes),
      {.field = "message", .actual = fmt::to_string(metadata), .limit = fmt::to_string(kMaxMetadataBytes)});
}

}  // namespace tensorferry::rpc
