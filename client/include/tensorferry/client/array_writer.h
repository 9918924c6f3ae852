#pragma once

#include <span>
#include <string>

#include "absl/status/status.h"
#include "tensorferry/client/response.h"

namespace tensorferry::client {

// WriteNpy writes a tensor that came with its elements as NumPy would write it. An existing file is replaced. A dtype
// that NumPy lacks becomes a void of its size (`<V2` for bfloat16), which numpy.load reads and `.view` turns into the
// ml_dtypes type.
// Errors: FAILED_PRECONDITION without elements; those of the system.
absl::Status WriteNpy(const std::string& path, const Tensor& tensor);

// WriteNpz writes tensors as the members of a .npz file, uncompressed like numpy.savez. Each member has its tensor's
// name; the names must differ.
absl::Status WriteNpz(const std::string& path, std::span<const Tensor> tensors);

// WriteSafetensors writes tensors to a safetensors file, those with the largest elements first, so that all are
// aligned. An existing file is replaced.
// Errors: FAILED_PRECONDITION without elements; INVALID_ARGUMENT for complex128 and complex32, which safetensors does
//         not have, and for names that are not different; those of the system.
absl::Status WriteSafetensors(const std::string& path, std::span<const Tensor> tensors);

}  // namespace tensorferry::client
