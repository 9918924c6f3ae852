#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"

namespace tensorferry::client {

// The whole content of a file, and who keeps it in memory.
struct FileBytes {
  std::shared_ptr<const void> memory;
  std::span<const std::byte> bytes;
};

// Maps a regular file; reads anything else (a pipe, and `-`, which is standard input) to its end.
// Errors: those of the system, by their absl code.
absl::StatusOr<FileBytes> LoadFile(const std::string& path);

// Takes over what was read otherwise.
FileBytes Own(std::string content);

}  // namespace tensorferry::client
