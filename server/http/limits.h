#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tensorferry::http {

// Limits bounds what peers can take of the server. A peer that passes a time is answered 408 if a request of its had
// begun, and its connection is closed.
struct Limits {
  // When one more peer connects, the connection that has kept the server waiting longest is closed, so that a peer who
  // holds connections and sends nothing keeps nobody out.
  std::size_t connections = 64;
  std::uint32_t head_bytes = 8 << 10;  // Of a request's line and fields; beyond it 431.
  std::uint64_t body_bytes = 0;        // Of a request's body; beyond it 413.

  std::chrono::milliseconds request{
      10'000};  // From a request's first byte, or the connection's start, to its head's end.
  std::chrono::milliseconds upload{10'000};  // From some bytes of a body to the next ones.
  std::chrono::milliseconds idle{60'000};    // From an answer to the first byte of the next request.
  std::chrono::milliseconds answer{10'000};  // Until the peer has taken an answer, or more of it.
  // A connection that the server ends lives so long on: what the peer still sends is dropped, as the system would
  // otherwise take the answer back.
  std::chrono::milliseconds farewell{1'000};
};

}  // namespace tensorferry::http
