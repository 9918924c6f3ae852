#pragma once

#include <cstddef>
#include <functional>
#include <span>

#include "payload/shape.h"

namespace tensorferry {

// Visits the elements of a strided array in C order (last dimension fastest), as runs of bytes without gaps.
//
// `data`:    the element at index [0, 0, …]; elements are `itemsize` bytes each.
// `strides`: in elements, none negative.
// `visit`:   called with consecutive runs, each of which is valid during the call only. A run is a view of `data` if
// the array has no gaps there, else of scratch memory, which has a few hundred KiB however large the array is.
void ForEachRunInCOrder(const std::byte* data, std::span<const std::int64_t> shape,
                        std::span<const std::int64_t> strides, std::size_t itemsize,
                        const std::function<void(std::span<const std::byte>)>& visit);

}  // namespace tensorferry
