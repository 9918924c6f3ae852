#pragma once

#include <c10/core/ScalarType.h>

#include <optional>

#include "payload/dtype.h"

namespace tensorferry::inference {

// The torch dtype of the same name.
c10::ScalarType ToTorch(DType dtype);

// The dtype that a tensor says it has; nothing for those that no NumPy array can hold (quantised and sub-byte types).
std::optional<DType> FromTorch(c10::ScalarType type);

}  // namespace tensorferry::inference
