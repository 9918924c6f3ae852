// Bodies in gzip and deflate, as HTTP's Content-Encoding has them: who may send them, and who gets them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "base/buffer_pool.h"
#include "http/message.h"

namespace tensorferry::http {

enum class Coding : std::uint8_t {
  kIdentity,  // Bytes as they are.
  kGzip,      // RFC 1952.
  kDeflate,   // RFC 1950, zlib's format, which HTTP calls deflate (RFC 9110, 8.4.1.2).
};

// Returns the name of a coding in HTTP's fields.
std::string_view NameOf(Coding coding);

// Returns zlib's number for the format of a coding that is not kIdentity: the largest window, and 16 more for gzip.
constexpr int WindowBitsOf(Coding coding) { return coding == Coding::kGzip ? 15 + 16 : 15; }

// CodingPolicy says whether a port takes and gives bodies that are packed.
struct CodingPolicy {
  BufferPool* pool = nullptr;    // Where bodies are unpacked, and answers packed. Borrowed; null: neither is done.
  std::uint64_t body_bytes = 0;  // The most that a body may unpack to; beyond it 413.
  // Does work that takes long on a thread that nobody waits for. Empty: such work is done at once.
  std::function<void(std::function<void()>)> aside{};
};

// Returns the refusal of a request whose body is packed in a way that the port does not take; nothing if it takes it.
std::optional<Response> RefuseCoding(const CodingPolicy& policy, const Request& head);

// Returns the coding of the body of a request that RefuseCoding takes.
Coding CodingOf(const Request& request);

// Returns the coding in which a peer would rather have the answer, by its Accept-Encoding fields.
Coding AcceptedCoding(const Request& request);

}  // namespace tensorferry::http
