// Memory of callers on the same machine into which the server writes the outputs of their models.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "base/file_descriptor.h"
#include "base/sealed_quota.h"

namespace tensorferry {

// OutputMemory is a memfd that a caller has made, and into which this process writes. It reads nothing there, so that
// its maker may do with the bytes what it likes. Touching them never raises SIGBUS, and takes no page that is not there.
// Threads: any. Whoever writes to the same bytes at the same time leaves any mixture there.
class OutputMemory {
 public:
  // Takes over `file`, which any process may have made, and of which nothing is assumed. Maps it, and then seals it, so
  // that nobody can shrink it, grow it, or take pages from it any more (F_SEAL_FUTURE_WRITE, of Linux 5.1); a mapping
  // that is there goes on writing, as this one does.
  // Errors: BAD_SHARED_MEMORY if it is no memfd of ordinary pages, if it cannot be sealed or written to, if a page is
  //         missing, or if it does not have exactly `nbytes` bytes; MEMORY_BUDGET if the system maps no more; those of
  //         SealedQuota::Take.
  static absl::StatusOr<std::shared_ptr<const OutputMemory>> Take(FileDescriptor file, std::uint64_t nbytes,
                                                                  const std::shared_ptr<SealedQuota>& quota);
  OutputMemory(const OutputMemory&) = delete;
  OutputMemory& operator=(const OutputMemory&) = delete;
  ~OutputMemory();

  std::uint64_t nbytes() const { return pages_.size(); }

 private:
  friend struct OutputRange;
  OutputMemory(std::span<std::byte> pages, SealedQuota::Share share) : pages_(pages), share_(std::move(share)) {}

  const std::span<std::byte> pages_;
  const SealedQuota::Share share_;
};

// OutputRange is a range of bytes of such memory: it lies within it.
struct OutputRange {
  std::shared_ptr<const OutputMemory> memory;
  std::uint64_t offset = 0;  // The bytes of the memory before the range.
  std::uint64_t nbytes = 0;

  // Copies `content`, which fits, to the byte `at` of the range.
  void Write(std::uint64_t at, std::span<const std::byte> content) const;
};

}  // namespace tensorferry
