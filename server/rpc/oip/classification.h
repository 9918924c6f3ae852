#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "inference/result.h"

namespace tensorferry::rpc {

// Returns the `classes` largest elements of an output, or of each of its rows if it is a batch, the largest first, as
// strings: "VALUE:INDEX", or "VALUE:INDEX:LABEL" where `labels` has one of that index.
// Errors: TENSOR_TOO_LARGE if that would be more than 65,536 strings. INPUT_MISMATCH if the elements cannot be ordered,
//         or not written so: only integers, float32 and float64 are.
absl::StatusOr<inference::TensorResult> Classify(const inference::TensorResult& output, std::uint64_t classes,
                                                 bool batched, std::span<const std::string> labels);

}  // namespace tensorferry::rpc
