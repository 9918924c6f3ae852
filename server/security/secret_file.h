#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace tensorferry::security {

inline constexpr std::size_t kMaxSecretFileBytes = std::size_t{1} << 20;

// Returns the text of the file at `path`, which the setting `flag` has named.
// Errors: INVALID_ARGUMENT, with the flag, the path and what is wrong: the system's reason, no regular file, or more
//         than kMaxSecretFileBytes. It never waits, not even for a pipe that nobody writes to.
// Memory: nothing of the file stays but what is returned, which the caller overwrites with OPENSSL_cleanse if it is a
//         secret that is not needed any more.
absl::StatusOr<std::string> ReadSecretFile(std::string_view flag, const std::string& path);

// Returns the error that says `problem` of the file of a setting.
absl::Status FileError(std::string_view flag, const std::string& path, std::string_view problem);

}  // namespace tensorferry::security
