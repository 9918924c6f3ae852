#include "lib/sealed_memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <vector>

#include "payload/element_copy.h"

namespace tensorferry::client {
namespace {

constexpr unsigned kNoExecSeal = 8;  // MFD_NOEXEC_SEAL, which came with Linux 6.3, and which systems may insist on.
constexpr std::size_t kBlockBytes = std::size_t{1} << 20;

absl::Status NoSealedMemory() {
  return absl::ResourceExhaustedError(
      fmt::format("the system has no sealed memory for the array: {}", std::generic_category().message(errno)));
}

FileDescriptor MakeMemfd() {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  FileDescriptor memory(memfd_create("tensorferry-array", kFlags | kNoExecSeal));
  return memory ? std::move(memory) : FileDescriptor(memfd_create("tensorferry-array", kFlags));
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

}  // namespace

absl::StatusOr<FileDescriptor> SealedCopy(const ChunkedElements& elements) {
  FileDescriptor memory = MakeMemfd();
  if (!memory) return NoSealedMemory();
  bool written = true;
  ForEachChunk({&elements, 1}, kBlockBytes, [&](const ChunkedElements& block) {
    if (block.swap_width == 1) {
      written = WriteAll(memory.get(), block.bytes);
    } else {
      std::vector<std::byte> swapped(block.bytes.begin(), block.bytes.end());
      SwapBytes(swapped, block.swap_width);
      written = WriteAll(memory.get(), swapped);
    }
    return written;
  });
  if (!written || fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
    return NoSealedMemory();
  }
  return memory;
}

}  // namespace tensorferry::client
