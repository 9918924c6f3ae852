// torch's side of one array: a tensor over the array's memory, the tensor's metadata, and its elements.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "base/buffer_pool.h"
#include "inference/result.h"
#include "inference/tensor/model.h"
#include "payload/array_payload.h"

namespace tensorferry::inference {

// Makes the tensor that torch.from_numpy would make of the same array. The tensor takes over the payload's memory,
// which is given back when the last tensor that shares it is gone. An array without elements gets the strides of its
// shape with each 0 counted as 1.
at::Tensor MakeTensor(ArrayPayload payload);

// Makes a tensor in C order over `elements`, and takes over their memory.
at::Tensor TensorOver(AlignedBuffer elements, DType dtype, const Shape& shape);

// TensorLayout says how a tensor lies in memory, in elements.
struct TensorLayout {
  std::vector<std::int64_t> sizes, strides;
};

// Makes a tensor over `elements` of a worker process, and takes its share of them over. They may be null if the tensor
// has no elements.
at::Tensor TensorOver(std::shared_ptr<std::byte> elements, DType dtype, const TensorLayout& layout);

// Returns whether the memory of `storage` was taken for one tensor only, from torch's allocator or by MakeTensor.
// Memory that a file, a library or a static array lends to tensors was not: its other users are not counted.
bool IsTakenForOneTensor(const c10::Storage& storage);

// Returns the bytes of `storage` that the server has taken without asking the memory budget: torch's, and those that a
// worker process shares with it. Memory of the pool and of callers has none.
std::size_t BytesOutsideBudget(const c10::Storage& storage);

// Reads the metadata back from the tensor.
// Errors: MODEL_FAILED if no array can hold the tensor: it is not dense, or its dtype has no NumPy form.
//         TENSOR_TOO_LARGE if its elements have more than `max_tensor_bytes` bytes.
absl::StatusOr<TensorMetadata> Describe(const NamedTensor& named, std::uint64_t max_tensor_bytes);

// Elements says how a result gets a tensor's elements.
enum class Elements : std::uint8_t {
  kNone,    // The result has none.
  kShared,  // The elements stay in the tensor's memory if they are in C order on the CPU; else they are copied.
  kCopied,  // The elements are copied, so that later writes to the tensor's memory do not change them.
};

// Returns the tensor's elements in C order, in the CPU's memory. `how` is kShared or kCopied. A copy is in memory of the
// pool. The tensor has been described without an error.
// Errors: those of BufferPool::Take.
absl::StatusOr<TensorElements> ElementsOf(const at::Tensor& tensor, Elements how, const PoolFor& pool);

// Returns a copy of the tensor, one over an array's elements, in memory of the pool. It has the tensor's strides.
// Errors: those of BufferPool::Take.
absl::StatusOr<at::Tensor> CopyOf(const at::Tensor& tensor, const PoolFor& pool);

// Returns such a copy in `memory`, which has as many bytes as the tensor.
at::Tensor CopyOf(const at::Tensor& tensor, AlignedBuffer memory);

}  // namespace tensorferry::inference
