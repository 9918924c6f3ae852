#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "absl/status/statusor.h"
#include "lib/sealed_memory.h"

namespace tensorferry::client {

// OutputMemory is memory that a server writes outputs to, and that this process reads.
// Threads: any.
class OutputMemory {
 public:
  // `nbytes` is above 0.
  // Errors: RESOURCE_EXHAUSTED where the system has no memory for it.
  static absl::StatusOr<std::shared_ptr<OutputMemory>> Make(std::uint64_t nbytes);
  OutputMemory(const OutputMemory&) = delete;
  OutputMemory& operator=(const OutputMemory&) = delete;
  ~OutputMemory();

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::shared_ptr<SealedMemory>& memory() const { return memory_; }  // What is handed over.

  // Returns whether a server may be asked to write there: it has the memory, and no other process can look at it, as one
  // that was forked since it was made can.
  bool CanBeUsedAgain() const;

 private:
  OutputMemory(std::shared_ptr<SealedMemory> memory, std::span<const std::byte> bytes);

  const std::shared_ptr<SealedMemory> memory_;
  const std::span<const std::byte> bytes_;
  const std::uint64_t forks_;  // How often this process had been forked when the memory was made.
};

}  // namespace tensorferry::client
