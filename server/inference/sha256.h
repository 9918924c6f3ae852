#pragma once

#include <filesystem>
#include <string>

#include "absl/status/statusor.h"

namespace tensorferry::inference {

// Hex SHA-256 of a file's bytes.
// Errors: MODEL_NOT_READY if the file cannot be read; the message says why and names no path.
absl::StatusOr<std::string> Sha256OfFile(const std::filesystem::path& file);

}  // namespace tensorferry::inference
