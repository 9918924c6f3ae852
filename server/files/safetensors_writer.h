#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "payload/dtype.h"

namespace tensorferry {

// SafetensorsMember is a tensor to be written. It borrows its name and shape.
struct SafetensorsMember {
  std::string_view name;
  DType dtype;
  std::span<const std::int64_t> shape;
  std::uint64_t nbytes;  // Bytes of its elements: little-endian, in C order.
};

// SafetensorsHeaderBytes returns the bytes before the elements of a safetensors file with these members, whose elements
// must follow in the same order. Their number is a multiple of 8, so that members in the order of falling element sizes
// are all aligned.
// Errors: UNSUPPORTED_DTYPE for complex128 and complex32, which safetensors does not have; BAD_NAME for a name that
//         comes twice, or is `__metadata__`.
absl::StatusOr<std::string> SafetensorsHeaderBytes(std::span<const SafetensorsMember> members);

}  // namespace tensorferry
