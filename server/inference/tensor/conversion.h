// Payloads to tensors, and tensors to what is said of them.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "base/few.h"
#include "inference/result.h"
#include "inference/tensor/model.h"
#include "payload/array_payload.h"

namespace tensorferry::inference {

// What was found when the array was converted; dtype_equal is set by WithReceipt.
Receipt MakeReceipt(const ArrayHeader& header, const CopiedElements& copied);

// What a tensor says of itself, and its elements if they are wanted.
// Errors: those of Describe; TENSOR_TOO_LARGE beyond `max_tensor_bytes`.
absl::StatusOr<TensorResult> ResultOf(const NamedTensor& named, bool with_elements, std::uint64_t max_tensor_bytes);

// The same of a converted array: the receipt says whether its dtype is the tensor's own.
absl::StatusOr<TensorResult> ResultWithReceipt(const NamedTensor& named, Receipt receipt, bool with_elements,
                                               std::uint64_t max_tensor_bytes);

}  // namespace tensorferry::inference
