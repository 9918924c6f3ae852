#pragma once

#include "absl/container/inlined_vector.h"

namespace tensorferry {

// Few is a list that nearly always has one element; such a list allocates no memory.
template <typename T>
using Few = absl::InlinedVector<T, 1>;

}  // namespace tensorferry
