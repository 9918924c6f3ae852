#include "rpc/wire/message_guard.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <cstdint>
#include <limits>
#include <string_view>

#include "base/status.h"
#include "inference/grpc_service.pb.h"
#include "rpc/wire/piece_stream.h"
#include "tensorferry/v1/tensor_service.pb.h"

namespace tensorferry::rpc {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using InferContents = ::inference::InferTensorContents;
using InferInput = ::inference::ModelInferRequest::InferInputTensor;

enum class Level { kStreamMessage, kRequest, kArray, kInferRequest, kInferInput, kInferContents };

// Where the message begins.
Level LevelOf(MessageKind kind) {
  switch (kind) {
    case MessageKind::kConvertRequest: return Level::kRequest;
    case MessageKind::kConvertStreamRequest: return Level::kStreamMessage;
    case MessageKind::kModelInferRequest: return Level::kInferRequest;
  }
  __builtin_unreachable();
}

// Whether a field of this message holds elements.
bool HoldsElements(Level level, int field) {
  switch (level) {
    case Level::kStreamMessage: return field == v1::ConvertStreamRequest::kChunkFieldNumber;
    case Level::kRequest: return false;
    case Level::kInferRequest: return field == ::inference::ModelInferRequest::kRawInputContentsFieldNumber;
    case Level::kInferInput: return false;
    case Level::kInferContents: return field <= InferContents::kBytesContentsFieldNumber;
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
  if (level == Level::kInferRequest && field == ::inference::ModelInferRequest::kInputsFieldNumber) {
    inner = Level::kInferInput;
    return true;
  }
  if (level == Level::kInferInput && field == InferInput::kContentsFieldNumber) {
    inner = Level::kInferContents;
    return true;
  }
  return false;
}

// Whether a field of this message holds packed numbers of one byte or more that take up to eight once they are parsed.
bool HoldsVarints(Level level, int field) {
  return level == Level::kInferContents && field >= InferContents::kIntContentsFieldNumber &&
         field <= InferContents::kUint64ContentsFieldNumber;
}

// Bytes of a message.
struct Sizes {
  std::uint64_t elements = 0;
  std::uint64_t varints = 0;  // Of these.
};

// Adds the bytes of elements up to the end of the message, or to where it does not parse: protobuf's parser has its say
// about that afterwards.
void AddElementBytes(CodedInputStream& input, Level level, Sizes& sizes) {
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
      AddElementBytes(input, inner, sizes);
      input.Skip(input.BytesUntilLimit());
      input.PopLimit(limit);
    } else {
      if (!input.Skip(size)) return;
      if (HoldsElements(level, field)) sizes.elements += length;
      if (HoldsVarints(level, field)) sizes.varints += length;
    }
  }
}

absl::Status TooLarge(std::string_view what, std::uint64_t nbytes, std::uint64_t limit) {
  return MakeError(Reason::kTensorTooLarge, fmt::format("{} bytes {}; at most {} are taken", nbytes, what, limit),
                   {.field = "message", .actual = fmt::to_string(nbytes), .limit = fmt::to_string(limit)});
}

}  // namespace

absl::Status CheckMetadataSize(std::span<const Bytes> message, MessageKind kind) {
  std::size_t size = 0;
  for (const Bytes& piece : message) size += piece.size();
  if (size <= kMaxMetadataBytes) return absl::OkStatus();
  PieceStream stream(message);
  CodedInputStream input(&stream);
  Sizes sizes;
  AddElementBytes(input, LevelOf(kind), sizes);
  const std::uint64_t metadata = size - sizes.elements;
  if (metadata > kMaxMetadataBytes) return TooLarge("of the message are not elements", metadata, kMaxMetadataBytes);
  if (sizes.varints > kMaxVarintBytes) {
    return TooLarge("of contents are integers, which are better sent raw", sizes.varints, kMaxVarintBytes);
  }
  return absl::OkStatus();
}

}  // namespace tensorferry::rpc
