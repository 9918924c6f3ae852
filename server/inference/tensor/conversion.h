// The receipt of a converted array, and the result that a caller gets of a tensor.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "base/few.h"
#include "inference/result.h"
#include "inference/tensor/model.h"
#include "inference/tensor/tensor.h"
#include "payload/array_payload.h"

namespace tensorferry::inference {

// Makes the receipt of an array from what its copy found. ResultWithReceipt sets dtype_equal.
Receipt MakeReceipt(const ArrayHeader& header, const CopiedElements& copied);

// Returns the metadata of a tensor, and its elements.
// Errors: those of Describe.
absl::StatusOr<TensorResult> ResultOf(const NamedTensor& named, Elements elements, std::uint64_t max_tensor_bytes);

// Does what ResultOf does, for a converted array, and adds its receipt, which says whether its dtype is the tensor's
// own.
absl::StatusOr<TensorResult> ResultWithReceipt(const NamedTensor& named, Receipt receipt, bool with_elements,
                                               std::uint64_t max_tensor_bytes);

}  // namespace tensorferry::inference
