#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/request.h"
#include "tensorferry/client/array.h"
#include "tensorferry/client/response.h"

namespace tensorferry::cli {

using client::Framing;

// BenchMessage is what a load generator has to know of a message from the server.
struct BenchMessage {
  bool is_chunk = false;
  std::uint64_t chunk_bytes = 0;  // The size of the chunk, if the message is one.
  bool has_error = false;
  client::Timing timing;
  std::uint64_t chunked_nbytes = 0;  // Bytes of elements that follow the response in chunks.
};

// ReadMessage parses the fields of BenchMessage in place: it neither builds the message nor touches elements.
// Errors: INTERNAL if the bytes are no such message.
absl::StatusOr<BenchMessage> ReadMessage(grpc::ByteBuffer& message, Framing framing);

// ReadError parses the whole response and returns the error that it carries.
absl::Status ReadError(grpc::ByteBuffer& message);

// CheckResponse parses the whole response.
// Errors: INTERNAL if the dtype or the shape of a tensor differs from that of the array of `sent`, or, with `digest`, any
// bit of the elements does.
absl::Status CheckResponse(grpc::ByteBuffer& message, Framing framing, std::span<const client::Array> sent,
                           bool digest);

}  // namespace tensorferry::cli
