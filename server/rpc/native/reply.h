// Answers as messages, encoded in place: returned elements are sent from where the tensor holds them.
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

// Bytes of a chunk that we send, and recommend to callers: below 256 KiB the cost per message dominates, above it
// memory.
inline constexpr std::size_t kChunkBytes = 1 << 20;

// The whole answer as one ConvertResponse.
// Errors: TENSOR_TOO_LARGE, naming the stream, if it would not fit `max_message_bytes`; INPUT_MISMATCH if an output is of
//         strings.
absl::StatusOr<grpc::ByteBuffer> EncodeResponse(const Response& response, std::uint64_t max_message_bytes,
                                                WireWriter& writer);

// The same as the part of a ConvertStreamResponse, or with its tensors in chunks if it would not fit otherwise.
// Errors: TENSOR_TOO_LARGE if the metadata alone does not fit a message; INPUT_MISMATCH if an output is of strings.
absl::StatusOr<EncodedResponse> EncodeStreamResponse(Response response, std::uint64_t max_message_bytes,
                                                     WireWriter& writer);

// Answers a request on a stream with an error.
EncodedResponse EncodeRefusal(const std::string& request_id, const absl::Status& error);

}  // namespace tensorferry::rpc
