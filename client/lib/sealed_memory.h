#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/file_descriptor.h"
#include "lib/region.h"
#include "lib/request.h"
#include "tensorferry/client/array.h"

namespace tensorferry::client {

// MemoryKind is the kind of the message that hands memory over: docs/shared-memory.md has them.
enum class MemoryKind : std::uint16_t { kForInputs = 1, kForOutputs = 3 };

// SealedMemory is a memfd. One for inputs nobody can change any more, once Seal has succeeded; one for outputs the server
// seals, so that it can be handed over only once.
// Threads: any.
class SealedMemory {
 public:
  // Returns a memfd that has no bytes yet.
  // Errors: RESOURCE_EXHAUSTED where the system gives none.
  static absl::StatusOr<std::shared_ptr<SealedMemory>> Make(MemoryKind kind);

  SealedMemory(MemoryKind kind, FileDescriptor file) : kind_(kind), file_(std::move(file)) {}
  SealedMemory(const SealedMemory&) = delete;
  SealedMemory& operator=(const SealedMemory&) = delete;

  MemoryKind kind() const { return kind_; }
  int file() const { return file_.get(); }
  std::uint64_t nbytes() const { return nbytes_; }  // 0 until Allocate or Seal has succeeded.

  // Gives the memfd pages of zeros, before anybody else uses this object.
  // Errors: RESOURCE_EXHAUSTED where the system has none. Without this a lack of pages would be a SIGBUS later.
  absl::Status Allocate(std::uint64_t nbytes);

  // Seals the memfd, which has `nbytes` bytes, before anybody else uses this object.
  // Errors: RESOURCE_EXHAUSTED where a process has mapped the memory and could write to it.
  absl::Status Seal(std::uint64_t nbytes);

  // Closes the memfd, which was handed over: `file` is -1 then. What is mapped stays. Nobody else uses this object
  // meanwhile.
  void CloseFile() { file_ = FileDescriptor(); }

  // The region is what a server has taken the memory as last; null: none, or it is not to be used any more.
  std::shared_ptr<const Region> region() const;
  void set_region(std::shared_ptr<const Region> region);

 private:
  const MemoryKind kind_;
  FileDescriptor file_;
  std::uint64_t nbytes_ = 0;
  mutable std::mutex mutex_;  // Guards region_.
  std::shared_ptr<const Region> region_;
};

// NoMemory returns the error of an array of so many bytes for which the system has no memory; `error` is its errno.
absl::Status NoMemory(std::uint64_t nbytes, int error);

// SealedElements are the elements of an array, in sealed memory.
struct SealedElements {
  std::shared_ptr<SealedMemory> memory;
  std::uint64_t offset = 0;  // The bytes of the memory before the elements.
};

// SealedCopy returns sealed memory that holds a copy of the elements, as they travel.
// Errors: RESOURCE_EXHAUSTED where the system has no memory for it. Nothing is mapped, so that a lack of pages is no
//         SIGBUS.
absl::StatusOr<SealedElements> SealedCopy(const ChunkedElements& elements);

// WithElements returns the array with its elements in sealed memory. Its `bytes` say how many there are, and must not be
// read; its `owner` keeps the memory.
Array WithElements(Array array, SealedElements elements);

// ElementsIn returns the elements of an array that WithElements made.
std::optional<SealedElements> ElementsIn(const Array& array);

// ForgetRegions has the memory of all arrays that WithElements made handed over anew when it is needed.
void ForgetRegions(std::span<const Array> arrays);

// Readable returns the array with `bytes` that can be read, if WithElements made it; other arrays stay as they are.
// Errors: RESOURCE_EXHAUSTED if the system maps no more memory.
absl::StatusOr<Array> Readable(const Array& array);

}  // namespace tensorferry::client
