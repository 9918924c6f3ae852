#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"

namespace tensorferry {

// Shape has the number of elements along each dimension, the outermost first; [] is a scalar. Up to 6 dimensions need
// no allocation, so that most arrays cost none.
using Shape = absl::InlinedVector<std::int64_t, 6>;

// ElementStrides has the stride of each dimension in elements, never in bytes.
using ElementStrides = absl::InlinedVector<std::int64_t, 6>;

// The most dimensions that an array may have: NumPy's NPY_MAXDIMS.
inline constexpr std::size_t kMaxNdim = 64;

// Returns the shape as text: "[2, 3]". A shape of more than 16 dimensions is shortened.
std::string ToText(std::span<const std::int64_t> shape);

// Returns the number of elements of an array. ByteSize has accepted `shape`.
std::uint64_t CountOf(std::span<const std::int64_t> shape);

// Returns the bytes of an array without gaps. A 0 beside a huge dimension is legal: such an array has no elements.
// Errors: TOO_MANY_DIMS; BAD_SHAPE for a negative dimension; SIZE_OVERFLOW if the bytes or the strides do not fit
//         int64.
absl::StatusOr<std::size_t> ByteSize(std::span<const std::int64_t> shape, std::size_t itemsize);

// Returns the strides of an array without gaps, as torch.from_numpy gives them to an array that NumPy loaded from a
// buffer: each 0 in the shape counts as 1. ByteSize has accepted `shape`.
ElementStrides ContiguousStrides(std::span<const std::int64_t> shape, bool fortran_order);

}  // namespace tensorferry
