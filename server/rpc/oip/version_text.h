#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace tensorferry::rpc {

// Checks the text with which a request names a model's version: it is empty, or an integer. Whether the model has that
// version is for FindModel to say.
// Errors: INPUT_MISMATCH, in the words of Triton's that foreign programs look for.
absl::Status CheckVersionText(std::string_view version);

}  // namespace tensorferry::rpc
