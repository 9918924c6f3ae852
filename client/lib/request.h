#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "tensorferry/client/array.h"
#include "tensorferry/client/convert_options.h"

namespace tensorferry::client {

// Requests with more bytes of arrays than this go in chunks: the largest message that stays cheap, and gRPC's own
// default limit.
inline constexpr std::uint64_t kMaxInlineBytes = 4 * 1024 * 1024;

// Which message a request or response travels in.
enum class Framing : std::uint8_t { kCall, kStream };

// Where elements travel.
enum class Placement : std::uint8_t { kInside, kInChunks };

// Elements that follow the message that declares them; null owner: borrowed.
struct ChunkedElements {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
  std::size_t swap_width = 1;  // Above 1: words of as many bytes, which are reversed on the way.
};

// A request as it goes over the wire. Elements with an owner are sent from where they are, others are copied.
struct PreparedRequest {
  grpc::ByteBuffer message;
  std::vector<ChunkedElements> chunked;  // One array after the other.
  // Indices of the arrays whose byte order is changed here: big-endian ones of a dtype that has a name only.
  std::vector<std::size_t> swapped = {};
};

// kInside with at most kMaxInlineBytes of arrays.
Placement PlacementOf(std::span<const Array> arrays);

// Arrays that travel inside are left for the server to check. Those in chunks are declared in the message; a .npy file
// is then checked here, since the server sees its elements only.
// Errors: those of CheckElements.
absl::StatusOr<PreparedRequest> PrepareRequest(std::span<const Array> arrays, const ConvertOptions& options,
                                               Framing framing, Placement placement);

// The message that carries these bytes of an array.
grpc::ByteBuffer ChunkMessage(const ChunkedElements& chunk);

// Call `visit` with pieces of at most `chunk_bytes`, which is at least 8, in order, until it returns false.
template <typename Visit>
void ForEachChunk(std::span<const ChunkedElements> chunked, std::size_t chunk_bytes, Visit&& visit) {
  for (const ChunkedElements& elements : chunked) {
    const std::size_t whole_words = chunk_bytes - chunk_bytes % elements.swap_width;
    for (std::span<const std::byte> rest = elements.bytes; !rest.empty();) {
      const auto chunk = rest.first(std::min(rest.size(), whole_words));
      if (!visit(ChunkedElements{chunk, elements.owner, elements.swap_width})) return;
      rest = rest.subspan(chunk.size());
    }
  }
}

}  // namespace tensorferry::client
