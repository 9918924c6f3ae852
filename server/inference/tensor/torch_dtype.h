#pragma once

#include <c10/core/ScalarType.h>

#include <optional>

#include "payload/dtype.h"

namespace tensorferry::inference {

// Returns the torch dtype of the same name.
c10::ScalarType ToTorch(DType dtype);

// Returns the dtype of the same name. Returns nothing for quantised and sub-byte types, which no NumPy array can hold.
std::optional<DType> FromTorch(c10::ScalarType type);

}  // namespace tensorferry::inference
