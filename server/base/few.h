#pragma once

#include "absl/container/inlined_vector.h"

namespace tensorferry {

// A list that nearly always has one element, and then takes no memory of its own.
template <typename T>
using Few = absl::InlinedVector<T, 1>;

}  // namespace tensorferry
