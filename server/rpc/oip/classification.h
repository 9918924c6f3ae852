#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "inference/result.h"

namespace tensorferry::rpc {

// The `classes` largest elements of an output, or of each row of a batch where it has one, the largest first: strings
// "VALUE:INDEX", or "VALUE:INDEX:LABEL" where there is a label of that index.
// Errors: INPUT_MISMATCH if the elements cannot be ordered, or not written so: only integers, float32 and float64 are.
absl::StatusOr<inference::TensorResult> Classify(const inference::TensorResult& output, std::uint64_t classes,
                                                 bool batched, std::span<const std::string> labels);

}  // namespace tensorferry::rpc
