#include "payload/digest.h"

#include <xxhash.h>
#if defined(__x86_64__)
#include <xxh_x86dispatch.h>  // Chooses AVX2 or AVX-512 at run time.
#endif

#include <cstring>
#include <new>

namespace tensorferry {
namespace {

Digest Canonical(XXH128_hash_t hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  Digest digest;
  std::memcpy(digest.data(), canonical.digest, digest.size());
  return digest;
}

}  // namespace

Digest DigestOf(std::span<const std::byte> bytes) { return Canonical(XXH3_128bits(bytes.data(), bytes.size())); }

void DigestStream::Free::operator()(XXH3_state_s* state) const { XXH3_freeState(state); }

DigestStream::DigestStream() : state_(XXH3_createState()) {
  if (state_ == nullptr) throw std::bad_alloc();
  XXH3_128bits_reset(state_.get());
}

void DigestStream::Update(std::span<const std::byte> bytes) {
  XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
}

Digest DigestStream::Finish() const { return Canonical(XXH3_128bits_digest(state_.get())); }

}  // namespace tensorferry
