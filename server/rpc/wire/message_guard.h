#pragma once

#include <cstddef>
#include <span>

#include "absl/status/status.h"
#include "payload/scattered_bytes.h"

namespace tensorferry::rpc {

// Bytes of one message that may be anything but elements: names, shapes, fields that we do not know.
inline constexpr std::size_t kMaxMetadataBytes = 1 << 20;

// Bytes of integers in the `contents` of a ModelInferRequest.
inline constexpr std::size_t kMaxVarintBytes = 16 << 20;

// Which message the bytes are of.
enum class MessageKind { kConvertRequest, kConvertStreamRequest, kModelInferRequest };

// Refuse a message whose parsed form would take many times its size. An array without elements is a dozen bytes on the
// wire and some kilobytes once it is a tensor: 64 MiB of them would take all memory. To be called before parsing.
//
// Cost:   nothing up to kMaxMetadataBytes; above, one step for each field.
// Errors: TENSOR_TOO_LARGE.
absl::Status CheckMetadataSize(std::span<const Bytes> message, MessageKind kind);

}  // namespace tensorferry::rpc
