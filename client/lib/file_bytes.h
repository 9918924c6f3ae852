#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tensorferry::client {

// The pages of a file that is mapped, until this is destroyed. The file is not locked: whoever makes it smaller takes
// the pages behind its new end away, which read as zeros from then on.
class MappedFile;

// The whole content of a file, and who keeps it in memory.
struct FileBytes {
  std::shared_ptr<const void> memory;
  std::span<const std::byte> bytes;
  std::shared_ptr<const MappedFile> mapped = nullptr;  // Null: the bytes are a copy, to which nothing can happen.

  // Errors: DATA_LOSS if the file has become smaller since it was mapped: what was read of it may be zeros.
  absl::Status CheckWhole() const;
};

// Maps a regular file; reads anything else (a pipe, and `-`, which is standard input) to its end. The first call
// handles SIGBUS for the process, by a BusErrorHandler that stays.
// Errors: those of the system, by their absl code.
absl::StatusOr<FileBytes> LoadFile(const std::string& path);

// Takes over what was read otherwise.
FileBytes Own(std::string content);

}  // namespace tensorferry::client
