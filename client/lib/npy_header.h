#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "tensorferry/client/response.h"

namespace tensorferry::client {

// NpyHeaderBytes returns the bytes before the elements in a .npy file (version 1.0) of `tensor`, as NumPy itself writes
// them. A dtype that NumPy lacks becomes a void of its size (`<V2` for bfloat16), which numpy.load reads and `.view`
// turns into the ml_dtypes type.
// Errors: UNSUPPORTED_DTYPE for a dtype that is not in kDTypes.
absl::StatusOr<std::string> NpyHeaderBytes(const Tensor& tensor);

}  // namespace tensorferry::client
