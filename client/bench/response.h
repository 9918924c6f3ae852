#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/request.h"
#include "tensorferry/client/array.h"
#include "tensorferry/client/response.h"

namespace tensorferry::cli {

using client::Framing;

// What one message from the server says, as far as a load generator has to know.
struct BenchMessage {
  bool is_chunk = false;
  std::uint64_t chunk_bytes = 0;  // How long the chunk is, if it is one.
  bool has_error = false;
  client::Timing timing;
  std::uint64_t chunked_nbytes = 0;  // Bytes of elements that follow the response in chunks.
};

// Reads a message without building it or touching elements.
// Errors: INTERNAL if it is no such message.
absl::StatusOr<BenchMessage> ReadMessage(grpc::ByteBuffer& message, Framing framing);

// The error that a response carries, read completely.
absl::Status ReadError(grpc::ByteBuffer& message);

// Reads a response completely. Errors: INTERNAL if its first tensor is not the array that was sent, by its dtype and
// shape and, if `digest`, every bit.
absl::Status CheckResponse(grpc::ByteBuffer& message, Framing framing, const client::Array& sent, bool digest);

}  // namespace tensorferry::cli
