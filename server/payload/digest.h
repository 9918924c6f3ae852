#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>

struct XXH3_state_s;  // The type belongs to libxxhash, whose header is not included here.

namespace tensorferry {

// Digest is XXH3-128 in canonical (big-endian) form, as `xxhash.xxh3_128(...).digest()` gives it. It is a checksum, not
// a signature.
using Digest = std::array<std::byte, 16>;

// Returns the digest of `bytes`.
Digest DigestOf(std::span<const std::byte> bytes);

// DigestStream takes the digest of bytes that come in pieces.
class DigestStream {
 public:
  DigestStream();
  void Update(std::span<const std::byte> bytes);
  Digest Finish() const;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

}  // namespace tensorferry
