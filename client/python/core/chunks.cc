#include "chunks.h"

#include <xxhash.h>
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>  // Chooses AVX2 or AVX-512 at run time.
#endif

#include <algorithm>
#include <array>
#include <cstdint>
#include <new>
#include <span>
#include <utility>
#include <vector>

namespace tensorferry::core {
namespace {

constexpr std::size_t kDigested = std::size_t{1} << 16;  // Bytes that are gathered for the digest at a time.
constexpr std::uint8_t kChunkTag = 2 << 3 | 2;           // ConvertStreamRequest.chunk

void Free(XXH3_state_s* state) { XXH3_freeState(state); }

using Digester = std::unique_ptr<XXH3_state_s, void (*)(XXH3_state_s*)>;

Digester NewDigest() {
  Digester state(XXH3_createState(), &Free);
  if (state == nullptr) throw std::bad_alloc();
  XXH3_128bits_reset(state.get());
  return state;
}

void Update(XXH3_state_s& digest, std::span<const std::byte> bytes) {
  XXH3_128bits_update(&digest, bytes.data(), bytes.size());
}

grpc::Slice Header(std::size_t nbytes) {
  std::array<std::uint8_t, 11> header{kChunkTag};
  std::size_t size = 1;
  for (; nbytes >= 0x80; nbytes >>= 7) header.at(size++) = static_cast<std::uint8_t>(nbytes | 0x80);
  header.at(size++) = static_cast<std::uint8_t>(nbytes);
  return {header.data(), size};
}

void DropMemory(void* memory) { delete static_cast<std::shared_ptr<Memory>*>(memory); }

void DeleteBytes(void* bytes) { delete[] static_cast<std::byte*>(bytes); }

}  // namespace

Chunks::Chunks(Upload upload)
    : memory_(std::move(upload.memory)),
      limit_(std::max<std::size_t>(1, upload.limit / upload.travelling.itemsize) * upload.travelling.itemsize),
      travelling_(std::move(upload.travelling)),
      digest_(upload.has_digest ? NewDigest() : Digester(nullptr, &Free)) {
  if (upload.digested) digested_.emplace(*std::move(upload.digested));
}

Chunks::~Chunks() = default;

std::optional<grpc::Slice> Chunks::Next() {
  const std::scoped_lock lock(mutex_);
  const std::size_t nbytes = std::min(limit_, travelling_.left());
  if (ended_ || nbytes == 0) return std::nullopt;
  grpc::Slice chunk = Cut(nbytes);
  if (digest_ != nullptr && digested_) TakeIn(*digested_, nbytes);
  if (digest_ != nullptr && !digested_) Update(*digest_, std::as_bytes(std::span(chunk.begin(), nbytes)));
  return chunk;
}

std::optional<grpc::ByteBuffer> Chunks::NextMessage() {
  if (kept_) return std::exchange(kept_, std::nullopt);
  const std::optional<grpc::Slice> chunk = Next();
  if (!chunk) return std::nullopt;
  const std::array<grpc::Slice, 2> slices{Header(chunk->size()), *chunk};
  return grpc::ByteBuffer(slices.data(), slices.size());
}

void Chunks::End() {
  const std::scoped_lock lock(mutex_);
  ended_ = true;
}

std::string Chunks::Digest() {
  const std::scoped_lock lock(mutex_);
  if (digest_ == nullptr) return {};
  ElementReader& rest = digested_ ? *digested_ : travelling_;
  TakeIn(rest, rest.left());
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(digest_.get()));
  return {reinterpret_cast<const char*>(canonical.digest), sizeof(canonical.digest)};
}

grpc::Slice Chunks::Cut(std::size_t nbytes) {
  if (travelling_.is_plain()) {
    const std::span<const std::byte> bytes = travelling_.Take(nbytes);
    return {const_cast<std::byte*>(bytes.data()), nbytes, &DropMemory, new std::shared_ptr<Memory>(memory_)};
  }
  auto bytes = std::make_unique_for_overwrite<std::byte[]>(nbytes);
  travelling_.Copy({bytes.get(), nbytes});
  std::byte* const owned = bytes.release();
  return {owned, nbytes, &DeleteBytes, owned};
}

// TakeIn reads so many bytes, or those that are left, into the digest.
void Chunks::TakeIn(ElementReader& reader, std::size_t nbytes) {
  nbytes = std::min(nbytes, reader.left());
  if (reader.is_plain()) return Update(*digest_, reader.Take(nbytes));
  const std::size_t itemsize = reader.itemsize();
  std::vector<std::byte> block(std::min(nbytes, std::max<std::size_t>(1, kDigested / itemsize) * itemsize));
  while (nbytes > 0) {
    const std::span<std::byte> part(block.data(), std::min(nbytes, block.size()));
    reader.Copy(part);
    Update(*digest_, part);
    nbytes -= part.size();
  }
}

}  // namespace tensorferry::core
