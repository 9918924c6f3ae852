// The messages on a side socket. All numbers are little-endian; docs/shared-memory.md has the layout for callers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tensorferry::sealed {

inline constexpr std::uint16_t kVersion = 1;
inline constexpr std::size_t kAskHeaderBytes = 16;
inline constexpr std::size_t kMostAskBytes = 64;

// Ask is what a peer wants.
struct Ask {
  enum class Kind : std::uint16_t { kHandOver = 1, kRelease = 2, kHandOverForOutputs = 3 };
  Kind kind;
  std::uint32_t tag;      // The peer's own number, which the answer repeats.
  std::uint64_t nbytes;   // The size of the memfd that is handed over.
  std::string_view name;  // kRelease: the name of the region. Borrows the message.
};

// ReadTag returns the tag of a message, also of one that ReadAsk refuses; 0 if it is too short to have one.
std::uint32_t ReadTag(std::span<const std::byte> message);

// ReadAsk takes a message apart, which may hold any bytes.
// Errors: BAD_SHARED_MEMORY.
absl::StatusOr<Ask> ReadAsk(std::span<const std::byte> message);

// EncodeName returns the answer to a peer whose memory was taken as the region `name`.
std::string EncodeName(std::uint32_t tag, std::string_view name);

// EncodeRefusal returns the answer with the reason and the message of `error`.
std::string EncodeRefusal(std::uint32_t tag, const absl::Status& error);

}  // namespace tensorferry::sealed
