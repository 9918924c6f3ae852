// Payload to tensor, and tensor to what is said of it.
#pragma once

#include <ATen/core/Tensor.h>

#include "absl/status/statusor.h"
#include "inference/result.h"
#include "inference/tensor/model.h"
#include "payload/array_payload.h"

namespace tensorferry::inference {

// The tensor that torch.from_numpy would make of the same array: it takes over the payload's memory, which goes back
// when the last tensor that shares it is gone. Zero-size arrays get the strides of their shape with each 0 counted
// as 1.
at::Tensor MakeTensor(ArrayPayload payload);

// A tensor in C order over memory that holds its elements; takes the memory over.
at::Tensor TensorOver(AlignedBuffer elements, DType dtype, const Shape& shape);

// What the tensor says of itself.
// Errors: MODEL_FAILED if no array can hold it: not dense, or of a dtype without a NumPy form.
absl::StatusOr<TensorMetadata> Describe(const NamedTensor& named);

// The tensor's elements in C order, in the machine's memory. Shares the tensor's memory where it has that form already.
TensorElements ElementsOf(const at::Tensor& tensor);

}  // namespace tensorferry::inference
