#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "files/safetensors.h"

namespace tensorferry {

// ReadSafetensorsJson reads the text of a header. The tensors are in the text's order; `begin` and `end` are the
// `data_offsets` as they stand there, not yet compared with anything.
// Errors: BAD_HEADER, TOO_MANY_DIMS.
absl::StatusOr<std::vector<SafetensorsTensor>> ReadSafetensorsJson(std::string_view text);

}  // namespace tensorferry
