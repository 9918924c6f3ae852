#pragma once

#include <algorithm>
#include <cstdint>

#include "absl/status/status.h"

namespace tensorferry::inference {

// FileSizes says what will be written, in bytes.
struct FileSizes {
  std::uint64_t total = 0;
  std::uint64_t largest = 0;  // The size of the largest file.

  void Add(std::uint64_t nbytes) {
    total += nbytes;
    largest = std::max(largest, nbytes);
  }
};

// TemporaryUse says what happens with files in the temporary folder.
enum class TemporaryUse { kRead, kExecute };

// Checks that files of these sizes can be written into the temporary folder, and run from there if that is their use.
// Asks the system, because who writes there may not give its reason.
// Errors: MODEL_NOT_READY. The message says what is the matter with the folder; its path is in the log's text only.
absl::Status CheckTemporaryFolder(const FileSizes& sizes, TemporaryUse use);

}  // namespace tensorferry::inference
