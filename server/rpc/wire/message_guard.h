#pragma once

#include <cstddef>
#include <span>

#include "absl/status/status.h"
#include "payload/scattered_bytes.h"

namespace tensorferry::rpc {

// The most bytes of one message that are no elements: names, shapes, fields that the server does not know.
inline constexpr std::size_t kMaxMetadataBytes = 1 << 20;

// The most bytes of one message that are packed varints.
inline constexpr std::size_t kMaxVarintBytes = 16 << 20;

struct MessageLayout;

// FieldLayout is a field that holds elements, or a message that may hold elements.
struct FieldLayout {
  enum class Holds {
    kElements,  // Bytes, or packed numbers of a fixed size.
    kVarints,   // Elements, too: packed numbers of one byte or more that take up to eight once they are parsed.
    kMessage,
  };
  int number;
  Holds holds;
  const MessageLayout* message = nullptr;  // For kMessage: the layout of the message that the field holds.
};

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

}  // namespace tensorferry::rpc
