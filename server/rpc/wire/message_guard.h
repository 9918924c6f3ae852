#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "payload/scattered_bytes.h"

namespace tensorferry::rpc {

// The most bytes of one message that are no elements: names, shapes, fields that the server does not know.
inline constexpr std::size_t kMaxMetadataBytes = 1 << 20;

// The most bytes of one message that are varints.
inline constexpr std::size_t kMaxVarintBytes = 16 << 20;

struct MessageLayout;

inline constexpr std::size_t kAny = std::numeric_limits<std::size_t>::max();

// FieldLayout is a field that holds elements, or a message that may hold elements, or metadata whose number is bounded.
struct FieldLayout {
  enum class Holds {
    kMetadata,
    kElements,  // Bytes, or numbers of a fixed size, packed or each by itself.
    kVarints,   // Elements, too: numbers of one byte or more that take up to eight once they are parsed.
    kMessage,
  };
  int number = 0;
  Holds holds = Holds::kMetadata;
  const MessageLayout* message = nullptr;  // For kMessage: the layout of the message that the field holds.
  std::size_t most = kAny;  // How often the outermost message may have the field, in all its parts together.
  std::string_view name{};  // For the error if it has more of them.
  std::size_t width = 0;    // For kVarints: the bytes that a number takes once it is parsed.
  // For elements: how many times the bytes that they take are needed at most, from when protobuf's parser begins until
  // they are copied. It does not know how many numbers come, and takes more and more memory for them. 0: they are not
  // counted, as they take no more than in the message.
  std::size_t times = 0;
};

// Makes the layout of a field with numbers, each of which takes `width` bytes once it is parsed.
constexpr FieldLayout NumbersLayout(int number, FieldLayout::Holds holds, std::size_t width) {
  constexpr std::size_t kTimes = 4;  // The elements, twice as much as they need, and half of that while it grows.
  return {.number = number, .holds = holds, .width = width, .times = kTimes};
}

// MessageLayout says where the elements of a message are. A field that is not listed is metadata.
struct MessageLayout {
  std::span<const FieldLayout> fields;
};

// Refuses a message whose parsed form would take many times its size. An array without elements is a dozen bytes on the
// wire and some kilobytes once it is a tensor: 64 MiB of them would take all memory. Call it before parsing.
//
// Cost:   nothing up to kMaxMetadataBytes; above, one step for each field.
// Errors: TENSOR_TOO_LARGE.
absl::Status CheckMetadataSize(std::span<const Bytes> message, const MessageLayout& layout);

// RoomToParse is how many bytes are needed at most while protobuf's parser reads a message.
struct RoomToParse {
  std::uint64_t elements = 0;  // For the elements, and from then on half of it until they are copied, and for the copy.
  std::uint64_t metadata = 0;  // For groups, which nobody knows, until what was parsed is gone.
};

// Refuses a message that has a field more often than its layout allows: a field of two bytes may take hundreds once it
// is parsed. Call it before protobuf's parser; what reads a message in place bounds these fields itself.
//
// Cost:   one step for each field, and for each varint.
// Errors: TENSOR_TOO_LARGE, naming the field.
absl::StatusOr<RoomToParse> CheckFieldCounts(std::span<const Bytes> message, const MessageLayout& layout);

}  // namespace tensorferry::rpc
