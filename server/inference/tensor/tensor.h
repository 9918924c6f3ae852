// torch's side of one array: a tensor over its memory, what the tensor says of itself, and its elements.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "absl/status/statusor.h"
#include "inference/result.h"
#include "inference/tensor/model.h"
#include "payload/array_payload.h"

namespace tensorferry::inference {

// Makes the tensor that torch.from_numpy would make of the same array. It takes over the payload's memory, which goes
// back when the last tensor that shares it is gone. Arrays without elements get the strides of their shape with each 0
// counted as 1.
at::Tensor MakeTensor(ArrayPayload payload);

// Makes a tensor in C order over memory that holds its elements. It takes the memory over.
at::Tensor TensorOver(AlignedBuffer elements, DType dtype, const Shape& shape);

// Says whether the memory of `storage` was taken for one tensor alone, from torch's allocator or by MakeTensor. Memory
// that a file, a library or a static array lends to tensors was not: nobody counts who else uses it.
bool IsTakenForOneTensor(const c10::Storage& storage);

// Reads back what the tensor says of itself.
// Errors: MODEL_FAILED if no array can hold it: not dense, or of a dtype without a NumPy form. TENSOR_TOO_LARGE if its
// elements have more than `max_tensor_bytes` bytes.
absl::StatusOr<TensorMetadata> Describe(const NamedTensor& named, std::uint64_t max_tensor_bytes);

// How a result gets a tensor's elements.
enum class Elements : std::uint8_t {
  kNone,    // The result has none.
  kShared,  // They stay in the tensor's memory if they are there in C order on the CPU; else they are copied.
  kCopied,  // They are copied, so that whoever writes to the tensor's memory later does not change them.
};

// Gives the tensor's elements in C order, in the CPU's memory. `how`: kShared or kCopied.
TensorElements ElementsOf(const at::Tensor& tensor, Elements how);

}  // namespace tensorferry::inference
