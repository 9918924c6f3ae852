#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>

struct XXH3_state_s;  // libxxhash's, whose header stays out of this one.

namespace tensorferry {

// XXH3-128 in canonical (big-endian) form: what `xxhash.xxh3_128(...).digest()` gives. A checksum, not a signature.
using Digest = std::array<std::byte, 16>;

// The digest of bytes that are all there.
Digest DigestOf(std::span<const std::byte> bytes);

// Takes the digest of bytes that come piece by piece.
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
