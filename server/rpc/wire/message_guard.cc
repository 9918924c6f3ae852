#include "rpc/wire/message_guard.h"

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "base/status.h"
#include "rpc/wire/piece_stream.h"
#include "rpc/wire/wire_format.h"

namespace tensorferry::rpc {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using Holds = FieldLayout::Holds;

constexpr FieldLayout kUnlisted{};

// What protobuf takes for a string beside its bytes.
constexpr std::uint64_t kStringBytes = 40;

// How many times its bytes a group takes, whose least has two of them: each field that nobody knows takes 16 bytes in a list
// that doubles, and a group has a list of its own.
constexpr std::uint64_t kGroupTimes = 40;

// Found is what a walk through a message has found.
struct Found {
  std::uint64_t elements = 0;  // In bytes, like `varints`.
  std::uint64_t varints = 0;   // They count among `elements`, too.
  std::uint64_t room = 0;      // RoomToParse::elements.
  std::uint64_t groups = 0;    // In bytes.
  // How often the fields came whose number is bounded. No message has more of them, so this takes no memory.
  absl::InlinedVector<std::pair<const FieldLayout*, std::size_t>, 8> counts;

  void Count(const FieldLayout& field) {
    for (auto& [counted, count] : counts) {
      if (counted == &field) return void(++count);
    }
    counts.emplace_back(&field, 1);
  }

  // Adds elements of `nbytes` bytes, which take `parsed` once they are parsed. With tag and length they have `with_tag`.
  void Add(const FieldLayout& field, std::uint64_t nbytes, std::uint64_t with_tag, std::uint64_t parsed) {
    elements += with_tag;
    if (field.holds == Holds::kVarints) varints += nbytes;
    room += field.times * parsed;
  }
};

// Passes over `nbytes` bytes of varints, and counts them. Returns whether there are so many bytes.
bool CountVarints(CodedInputStream& input, int nbytes, std::uint64_t& count) {
  while (nbytes > 0) {
    const void* data = nullptr;
    int size = 0;
    if (!input.GetDirectBufferPointer(&data, &size)) return false;
    size = std::min(size, nbytes);
    const std::span bytes(static_cast<const std::uint8_t*>(data), static_cast<std::size_t>(size));
    count += static_cast<std::uint64_t>(std::ranges::count_if(bytes, [](std::uint8_t byte) { return byte < 0x80; }));
    if (!input.Skip(size)) return false;
    nbytes -= size;
  }
  return true;
}

// Walks up to the end of the message or to where it does not parse: protobuf's parser then refuses it.
// Returns whether it reached the end.
bool Walk(CodedInputStream& input, const MessageLayout& layout, Found& found) {
  for (;;) {
    const int begin = input.CurrentPosition();
    const std::uint32_t tag = input.ReadTag();
    if (tag == 0) return input.ConsumedEntireMessage();
    const auto listed = std::ranges::find(layout.fields, FieldOf(tag), &FieldLayout::number);
    const FieldLayout& field = listed == layout.fields.end() ? kUnlisted : *listed;
    if (field.most < kAny) found.Count(field);
    const bool varints = field.holds == Holds::kVarints;
    int length = 0;
    std::uint64_t numbers = 1;
    std::uint64_t beside = 0;
    if (IsLengthDelimited(tag)) {
      if (!input.ReadVarintSizeAsInt(&length)) return false;
      if (field.holds == Holds::kMessage) {
        const auto limit = input.PushLimit(length);
        if (!Walk(input, *field.message, found)) return false;
        input.PopLimit(limit);
        continue;
      }
      numbers = 0;
      beside = kStringBytes;
      if (!(varints ? CountVarints(input, length, numbers) : input.Skip(length))) return false;
    } else {  // An element of a repeated field may also stand by itself.
      if (!WireFormatLite::SkipField(&input, tag)) return false;
      length = input.CurrentPosition() - begin;
      if (WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_START_GROUP) {
        found.groups += static_cast<std::uint64_t>(length);
      }
    }
    if (!varints && field.holds != Holds::kElements) continue;
    const auto nbytes = static_cast<std::uint64_t>(length);
    const auto with_tag = static_cast<std::uint64_t>(input.CurrentPosition() - begin);
    found.Add(field, nbytes, with_tag, varints ? numbers * field.width : nbytes + beside);
  }
}

Found Walk(std::span<const Bytes> message, const MessageLayout& layout) {
  PieceStream stream(message);
  CodedInputStream input(&stream);
  Found found;
  Walk(input, layout, found);
  return found;
}

std::uint64_t SizeOf(std::span<const Bytes> message) {
  std::uint64_t size = 0;
  for (const Bytes& piece : message) size += piece.size();
  return size;
}

absl::Status TooLarge(std::string_view what, std::uint64_t nbytes, std::uint64_t limit) {
  return MakeError(Reason::kTensorTooLarge, fmt::format("{} bytes {}; at most {} are taken", nbytes, what, limit),
                   {.field = "message", .actual = fmt::to_string(nbytes), .limit = fmt::to_string(limit)});
}

}  // namespace

absl::Status CheckMetadataSize(std::span<const Bytes> message, const MessageLayout& layout) {
  const std::uint64_t size = SizeOf(message);
  if (size <= kMaxMetadataBytes) return absl::OkStatus();
  const Found found = Walk(message, layout);
  const std::uint64_t metadata = size - found.elements;
  if (metadata > kMaxMetadataBytes) return TooLarge("of the message are not elements", metadata, kMaxMetadataBytes);
  if (found.varints > kMaxVarintBytes) {
    return TooLarge("of contents are integers; send them in raw_input_contents", found.varints, kMaxVarintBytes);
  }
  return absl::OkStatus();
}

absl::StatusOr<RoomToParse> CheckFieldCounts(std::span<const Bytes> message, const MessageLayout& layout) {
  const Found found = Walk(message, layout);
  for (const auto& [field, count] : found.counts) {
    if (count <= field->most) continue;
    return MakeError(
        Reason::kTensorTooLarge,
        fmt::format("the request has {} {}, at most {} are taken", count, field->name, field->most),
        {.field = std::string(field->name), .actual = fmt::to_string(count), .limit = fmt::to_string(field->most)});
  }
  return RoomToParse{.elements = found.room, .metadata = kGroupTimes * found.groups};
}

}  // namespace tensorferry::rpc
