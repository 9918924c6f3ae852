#include "lib/sealed_memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <span>
#include <system_error>
#include <vector>

#include "base/status.h"
#include "payload/element_copy.h"

namespace tensorferry::client {
namespace {

constexpr unsigned kNoExecSeal = 8;  // MFD_NOEXEC_SEAL, which came with Linux 6.3, and which systems may insist on.
constexpr std::size_t kBlockBytes = std::size_t{1} << 20;

absl::Status NoSealedMemory() {
  return absl::ResourceExhaustedError(
      fmt::format("the system has no sealed memory for the array: {}", std::generic_category().message(errno)));
}

bool WriteAll(int file, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return true;
}

// ElementsOwner is the deleter of an owner that WithElements made. It deletes nothing: it is what is owned.
struct ElementsOwner {
  SealedElements elements;
  void operator()(const void*) const {}
};

// MappedBytes are the bytes of a memfd, for reading.
struct MappedBytes {
  std::span<const std::byte> pages;
  explicit MappedBytes(std::span<const std::byte> mapped) : pages(mapped) {}
  MappedBytes(const MappedBytes&) = delete;
  MappedBytes& operator=(const MappedBytes&) = delete;
  ~MappedBytes() { munmap(const_cast<std::byte*>(pages.data()), pages.size()); }
};

}  // namespace

absl::StatusOr<std::shared_ptr<SealedMemory>> SealedMemory::Make(MemoryKind kind) {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  FileDescriptor file(memfd_create("tensorferry-array", kFlags | kNoExecSeal));
  if (!file) file = FileDescriptor(memfd_create("tensorferry-array", kFlags));
  if (!file) return NoSealedMemory();
  return std::make_shared<SealedMemory>(kind, std::move(file));
}

absl::Status SealedMemory::Allocate(std::uint64_t nbytes) {
  const int error = posix_fallocate(file(), 0, static_cast<off_t>(nbytes));
  if (error != 0) return NoMemory(nbytes, error);
  nbytes_ = nbytes;
  return absl::OkStatus();
}

absl::Status SealedMemory::Seal(std::uint64_t nbytes) {
  if (fcntl(file(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) return NoSealedMemory();
  nbytes_ = nbytes;
  return absl::OkStatus();
}

std::shared_ptr<const Region> SealedMemory::region() const {
  const std::scoped_lock lock(mutex_);
  return region_;
}

void SealedMemory::set_region(std::shared_ptr<const Region> region) {
  const std::scoped_lock lock(mutex_);
  region_.swap(region);
}

absl::Status NoMemory(std::uint64_t nbytes, int error) {
  return absl::ResourceExhaustedError(
      fmt::format("no memory here for an array of {} bytes: {}", nbytes, std::generic_category().message(error)));
}

absl::StatusOr<SealedElements> SealedCopy(const ChunkedElements& elements) {
  TENSORFERRY_ASSIGN_OR_RETURN(std::shared_ptr<SealedMemory> memory, SealedMemory::Make(MemoryKind::kForInputs));
  bool written = true;
  ForEachChunk({&elements, 1}, kBlockBytes, [&](const ChunkedElements& block) {
    if (block.swap_width == 1) {
      written = WriteAll(memory->file(), block.bytes);
    } else {
      std::vector<std::byte> swapped(block.bytes.begin(), block.bytes.end());
      SwapBytes(swapped, block.swap_width);
      written = WriteAll(memory->file(), swapped);
    }
    return written;
  });
  if (!written) return NoSealedMemory();
  TENSORFERRY_RETURN_IF_ERROR(memory->Seal(elements.bytes.size()));
  return SealedElements{.memory = std::move(memory), .offset = 0};
}

Array WithElements(Array array, SealedElements elements) {
  array.bytes = {static_cast<const std::byte*>(nullptr), array.bytes.size()};
  array.owner = std::shared_ptr<const void>(nullptr, ElementsOwner{std::move(elements)});
  return array;
}

std::optional<SealedElements> ElementsIn(const Array& array) {
  const auto* const owner = std::get_deleter<ElementsOwner>(array.owner);
  return owner == nullptr ? std::nullopt : std::optional(owner->elements);
}

void ForgetRegions(std::span<const Array> arrays) {
  for (const Array& array : arrays) {
    if (const auto elements = ElementsIn(array)) elements->memory->set_region(nullptr);
  }
}

absl::StatusOr<Array> Readable(const Array& array) {
  const std::optional<SealedElements> elements = ElementsIn(array);
  if (!elements || array.bytes.empty()) return array;
  const std::uint64_t nbytes = elements->offset + array.bytes.size();
  void* const pages = mmap(nullptr, nbytes, PROT_READ, MAP_PRIVATE, elements->memory->file(), 0);
  if (pages == MAP_FAILED) return NoSealedMemory();
  const auto mapped = std::make_shared<MappedBytes>(std::span(static_cast<const std::byte*>(pages), nbytes));
  Array readable = array;
  readable.bytes = mapped->pages.subspan(elements->offset);
  readable.owner = mapped;
  return readable;
}

}  // namespace tensorferry::client
