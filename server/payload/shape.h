#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"

namespace tensorferry {

// Elements per dimension, outermost first; [] is a scalar. Inlined: most arrays cost no allocation for their shape.
using Shape = absl::InlinedVector<std::int64_t, 6>;

// Per dimension, in elements, never in bytes.
using ElementStrides = absl::InlinedVector<std::int64_t, 6>;

// Most dimensions of an array: NumPy's NPY_MAXDIMS.
inline constexpr std::size_t kMaxNdim = 64;

// "[2, 3]"; shapes of more than 16 dimensions are shortened.
std::string ToText(std::span<const std::int64_t> shape);

// Elements of an array whose shape has passed ByteSize.
std::uint64_t CountOf(std::span<const std::int64_t> shape);

// Bytes of an array without gaps.
//
// A 0 beside a huge dimension is legal: such an array has no elements.
// Errors: TOO_MANY_DIMS; BAD_SHAPE for a negative dimension; SIZE_OVERFLOW if the bytes, or the strides, do not fit
//         int64.
absl::StatusOr<std::size_t> ByteSize(std::span<const std::int64_t> shape, std::size_t itemsize);

// The strides of an array without gaps, as torch.from_numpy gives them for one that NumPy loaded from a buffer: each 0
// in the shape counts as 1. `shape` has passed ByteSize.
ElementStrides ContiguousStrides(std::span<const std::int64_t> shape, bool fortran_order);

}  // namespace tensorferry
