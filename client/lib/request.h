#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "lib/region.h"
#include "tensorferry/client/array.h"
#include "tensorferry/client/convert_options.h"

namespace tensorferry::client {

class OutputLease;
class SideConnection;

// Requests with more than kMaxInlineBytes of arrays go in chunks. It is the largest message that stays cheap, and
// gRPC's own default limit.
inline constexpr std::uint64_t kMaxInlineBytes = std::uint64_t{4} << 20;

// Framing says which message a request or response travels in.
enum class Framing : std::uint8_t { kCall, kStream };

// Road says how a request is sent, and how what comes back does.
struct Road {
  Road(Framing messages) : framing(messages) {}

  Framing framing;
  bool arrays_stay = false;  // They stay until the request is answered.
  // When the request goes without sealed memory, if the server has not taken it by then.
  std::chrono::steady_clock::time_point give_up = std::chrono::steady_clock::time_point::max();
  std::shared_ptr<OutputLease> outputs = nullptr;  // The memory for what comes back; null: it comes in messages.
};

// Placement says where elements travel.
enum class Placement : std::uint8_t { kInside, kInChunks, kInRegions };

// ChunkedElements follow the message that declares them. If `owner` is null, `bytes` are borrowed.
struct ChunkedElements {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
  std::size_t swap_width = 1;  // Above 1: the words of so many bytes in which the bytes are reversed on the way.
};

// PreparedRequest is a request as it goes over the wire. Elements with an owner are sent from where they are; others
// are copied.
struct PreparedRequest {
  grpc::ByteBuffer message;
  std::vector<ChunkedElements> chunked;  // The elements of one array after the other.
  // `swapped` has the indices of the arrays whose byte order PrepareRequest changes: big-endian ones of a dtype that
  // has a name only.
  std::vector<std::size_t> swapped = {};
  // `regions` have the elements of a sealed request. They are held until the request is answered.
  std::vector<std::shared_ptr<const Region>> regions = {};
  std::shared_ptr<OutputLease> outputs = nullptr;  // The memory for what comes back that the message names.
  // Whether it can be sent again, as the server may have lost what was handed over. `again` are its arrays then, whose
  // elements stay until they are sent again: those in regions as WithElements makes them.
  bool can_be_repeated = false;
  std::vector<Array> again = {};
};

// PlacementOf returns kInside for at most `most_inside` bytes of arrays.
Placement PlacementOf(std::span<const Array> arrays, std::uint64_t most_inside = kMaxInlineBytes);

// PrepareRequest leaves arrays that travel inside for the server to check. Those in chunks are declared in the message.
// A .npy file in chunks is checked here, since the server gets only its elements.
// Errors: those of CheckElements.
absl::StatusOr<PreparedRequest> PrepareRequest(std::span<const Array> arrays, const ConvertOptions& options,
                                               Framing framing, Placement placement);

// MayComeAgain returns whether PrepareSealedRequest keeps the elements of such arrays, if it may place so many bytes
// inside, until they are sent again.
bool MayComeAgain(std::span<const Array> arrays, std::uint64_t most_inside);

// Sealing says which arrays of a request travel in sealed memory that is handed over at `side`.
struct Sealing {
  SideConnection& side;
  std::uint64_t least_own_bytes = 1;  // Arrays that lie in sealed memory already do, from so many bytes on.
  // The others do together, as copies, if they have at least and at most so many bytes.
  std::uint64_t least_copied_bytes = 1;
  std::uint64_t most_copied_bytes = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t most_inside = kMaxInlineBytes;  // Of the elements that travel in messages, as PlacementOf has it.
};

// PrepareSealedRequest hands over what `sealing` says. Other elements travel inside, or in chunks. What comes back is
// written to `road.outputs`, if it fits.
// Errors: those of CheckElements, SealedCopy and SideConnection::HandOver.
absl::StatusOr<PreparedRequest> PrepareSealedRequest(std::span<const Array> arrays, const ConvertOptions& options,
                                                     const Road& road, const Sealing& sealing);

// ChunkMessage returns the message that carries these bytes of an array.
grpc::ByteBuffer ChunkMessage(const ChunkedElements& chunk);

// ForEachChunk calls `visit` with pieces of at most `chunk_bytes`, in order, until it returns false. `chunk_bytes` is
// at least 8.
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
