#include "rpc/wire/message_guard.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>

#include "base/status.h"
#include "rpc/wire/piece_stream.h"
#include "rpc/wire/wire_format.h"

namespace tensorferry::rpc {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using Holds = FieldLayout::Holds;

// Sizes counts the bytes of a message.
struct Sizes {
  std::uint64_t elements = 0;
  std::uint64_t varints = 0;  // They count among `elements`, too.
};

// Adds the bytes of elements, up to the end of the message or to where it does not parse: protobuf's parser then
// refuses it.
void AddElementBytes(CodedInputStream& input, const MessageLayout& layout, Sizes& sizes) {
  while (const std::uint32_t tag = input.ReadTag()) {
    if (!IsLengthDelimited(tag)) {
      if (!WireFormatLite::SkipField(&input, tag)) return;
      continue;
    }
    std::uint32_t length = 0;
    if (!input.ReadVarint32(&length) || length > std::numeric_limits<int>::max()) return;
    const auto size = static_cast<int>(length);
    const auto field = std::ranges::find(layout.fields, FieldOf(tag), &FieldLayout::number);
    const bool listed = field != layout.fields.end();
    if (listed && field->holds == Holds::kMessage) {
      const auto limit = input.PushLimit(size);
      AddElementBytes(input, *field->message, sizes);
      input.Skip(input.BytesUntilLimit());
      input.PopLimit(limit);
    } else {
      if (!input.Skip(size)) return;
      if (listed) sizes.elements += length;
      if (listed && field->holds == Holds::kVarints) sizes.varints += length;
    }
  }
}

absl::Status TooLarge(std::string_view what, std::uint64_t nbytes, std::uint64_t limit) {
  return MakeError(Reason::kTensorTooLarge, fmt::format("{} bytes {}; at most {} are taken", nbytes, what, limit),
                   {.field = "message", .actual = fmt::to_string(nbytes), .limit = fmt::to_string(limit)});
}

}  // namespace

absl::Status CheckMetadataSize(std::span<const Bytes> message, const MessageLayout& layout) {
  std::size_t size = 0;
  for (const Bytes& piece : message) size += piece.size();
  if (size <= kMaxMetadataBytes) return absl::OkStatus();
  PieceStream stream(message);
  CodedInputStream input(&stream);
  Sizes sizes;
  AddElementBytes(input, layout, sizes);
  const std::uint64_t metadata = size - sizes.elements;
  if (metadata > kMaxMetadataBytes) return TooLarge("of the message are not elements", metadata, kMaxMetadataBytes);
  if (sizes.varints > kMaxVarintBytes) {
    return TooLarge("of contents are integers; send them in raw_input_contents", sizes.varints, kMaxVarintBytes);
  }
  return absl::OkStatus();
}

}  // namespace tensorferry::rpc
