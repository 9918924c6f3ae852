#pragma once

#include <span>

#include "absl/status/status.h"

namespace tensorferry::inference {

// Checks that a shared library is as large as it says of itself: all that its header, its tables of segments and
// sections and its dynamic table name lies within `library`, the bytes of its file. The system's loader trusts these
// tables, and a library that contradicts them may end the process that opens it.
// Errors: MODEL_NOT_READY, with what lies outside.
absl::Status CheckElf(std::span<const char> library);

}  // namespace tensorferry::inference
