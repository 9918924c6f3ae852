// Answers as messages, encoded in place: returned elements are sent from where the tensor holds them.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rpc/convert_call.h"
#include "rpc/wire_writer.h"

namespace tensorferry::rpc {

// Bytes of a chunk that we send, and recommend to callers: below 256 KiB the cost per message dominates, above it
// memory.
inline constexpr std::size_t kChunkBytes = 1 << 20;

// The whole answer as one ConvertResponse.
// Errors: TENSOR_TOO_LARGE, naming the stream, if it would not fit `max_message_bytes`.
absl::StatusOr<grpc::ByteBuffer> EncodeResponse(const Answer& answer, std::uint64_t max_message_bytes,
                                                WireWriter& writer);

// What one request on a stream is answered with: a response, and the chunks of its tensors if it would not fit
// `max_message_bytes` otherwise. Chunks are made as they are asked for.
class StreamReply {
 public:
  // Errors: TENSOR_TOO_LARGE if the metadata alone does not fit a message.
  static absl::StatusOr<StreamReply> Of(Answer answer, std::uint64_t max_message_bytes, WireWriter& writer);

  // Answers with an error.
  static StreamReply Refusal(const std::string& request_id, const absl::Status& error);

  // The next message; nothing after the last.
  std::optional<grpc::ByteBuffer> Next();

 private:
  explicit StreamReply(grpc::ByteBuffer response) : response_(std::move(response)) {}

  std::optional<CallGate::Pass> pass_;
  std::optional<grpc::ByteBuffer> response_;
  std::size_t chunk_bytes_ = kChunkBytes;
  std::vector<inference::TensorElements> chunked_;  // What has not been sent of each tensor, the next one last.
};

}  // namespace tensorferry::rpc
