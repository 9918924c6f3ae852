#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include "absl/status/statusor.h"
#include "payload/array_header.h"
#include "tensorferry/client/array.h"

namespace tensorferry::client {

// Elements is an array whose dtype, shape and size were checked against each other. It borrows the array's bytes.
struct Elements {
  ArrayHeader header;
  std::span<const std::byte> bytes;  // As many as header.nbytes().
};

// CheckElements checks an array of either form as the server does, except for the server's own limits.
// Errors: those of the server, with its reasons and words; they name the array.
absl::StatusOr<Elements> CheckElements(const Array& array, Fidelity fidelity);

}  // namespace tensorferry::client
