#pragma once

#include <span>
#include <string>

#include "absl/status/status.h"
#include "tensorferry/client/response.h"

namespace tensorferry::client {

// Write a tensor that came with its elements as NumPy would write it; a dtype that NumPy lacks, as a void of its size
// (`<V2` for bfloat16): numpy.load reads that, and `.view` makes it the ml_dtypes type. An existing file is replaced.
// Errors: FAILED_PRECONDITION without elements; those of the system.
absl::Status WriteNpy(const std::string& path, const Tensor& tensor);

// Write tensors as the members of a .npz file, uncompressed like numpy.savez, under their names, which must differ.
absl::Status WriteNpz(const std::string& path, std::span<const Tensor> tensors);

}  // namespace tensorferry::client
