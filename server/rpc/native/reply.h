// Writes responses as messages of tensorferry.v1. Returned elements are not copied: they are sent from where the tensor
// holds them.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rpc/call/encoded_response.h"
#include "rpc/call/response.h"
#include "rpc/wire/wire_writer.h"

namespace tensorferry::rpc {

// kChunkBytes is the size of the chunks that the server sends, and recommends to callers, in bytes. Below 256 KiB most
// of the cost is per message; larger chunks take more memory.
inline constexpr std::size_t kChunkBytes = 1 << 20;

// ChunkBytesWithin returns kChunkBytes, or fewer, so that a chunk fits a message of at most `max_message_bytes`.
std::size_t ChunkBytesWithin(std::uint64_t max_message_bytes);

// Encodes the whole response as one ConvertResponse.
// Errors: TENSOR_TOO_LARGE, naming the stream, if it would not fit `max_message_bytes`; INPUT_MISMATCH if an output is
//         of strings.
absl::StatusOr<OutgoingMessage> EncodeResponse(const Response& response, std::uint64_t max_message_bytes,
                                               WireWriter& writer);

// Encodes the response as one ConvertStreamResponse. If that does not fit `max_message_bytes`, it has no elements, and
// chunks of the elements follow it.
// Errors: TENSOR_TOO_LARGE if the metadata alone do not fit a message; INPUT_MISMATCH if an output is of strings.
absl::StatusOr<EncodedResponse> EncodeStreamResponse(Response response, std::uint64_t max_message_bytes,
                                                     WireWriter& writer);

// Encodes the ConvertStreamResponse that refuses the request.
EncodedResponse EncodeRefusal(const std::string& request_id, const absl::Status& error);

}  // namespace tensorferry::rpc
