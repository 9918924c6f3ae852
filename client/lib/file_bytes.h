#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tensorferry::client {

// MappedFile maps the pages of a file for as long as it lives. The file is not locked: if another process makes it
// smaller, the pages behind its new end are gone, and read as zeros from then on.
class MappedFile;

// FileBytes is the whole content of a file, with what keeps it in memory.
struct FileBytes {
  std::shared_ptr<const void> memory;
  std::span<const std::byte> bytes;
  std::shared_ptr<const MappedFile> mapped = nullptr;  // Null if the bytes are a copy.

  // Errors: DATA_LOSS if the file has become smaller since it was mapped, so that some of what was read may be zeros.
  absl::Status CheckWhole() const;
};

// LoadFile maps a regular file. It reads anything else (a pipe, or `-`, which is standard input) to its end. Its first
// call installs a BusErrorHandler, which handles SIGBUS for the process from then on.
// Errors: those of the system, by their absl code. The message does not name the file.
absl::StatusOr<FileBytes> LoadFile(const std::string& path);

}  // namespace tensorferry::client
