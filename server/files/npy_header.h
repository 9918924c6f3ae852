#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "payload/dtype.h"

namespace tensorferry {

// NpyHeaderBytes returns the bytes before the elements in a .npy file (version 1.0) of an array in C order, as NumPy
// itself writes them. A dtype that NumPy lacks becomes a void of its size (`<V2` for bfloat16), which numpy.load reads
// and `.view` turns into the ml_dtypes type.
// Errors: INVALID_ARGUMENT for a shape whose text is too long.
absl::StatusOr<std::string> NpyHeaderBytes(DType dtype, std::span<const std::int64_t> shape);

}  // namespace tensorferry
