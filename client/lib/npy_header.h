#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "tensorferry/client/response.h"

namespace tensorferry::client {

// The bytes before the elements in a .npy file (version 1.0) of `tensor`, as NumPy itself writes them. A dtype that
// NumPy lacks is a void of its size (`<V2` for bfloat16), which numpy.load reads and `.view` makes the ml_dtypes type.
// Errors: UNSUPPORTED_DTYPE for a dtype that is not in the table.
absl::StatusOr<std::string> NpyHeaderBytes(const Tensor& tensor);

}  // namespace tensorferry::client
