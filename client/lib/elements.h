#pragma once

#include <cstdint>
#include <limits>
#include <span>

#include "absl/status/statusor.h"
#include "payload/array_header.h"
#include "tensorferry/client/array.h"

namespace tensorferry::client {

// An array whose sizes agree with each other. Borrows the array's bytes.
struct Elements {
  ArrayHeader header;
  std::span<const std::byte> bytes;  // header.nbytes() of them.
};

// Check an array, of either form, as the server does but for the server's own limits.
// Errors: the server's, with its reasons and words; they name the array.
absl::StatusOr<Elements> CheckElements(const Array& array, Fidelity fidelity);

}  // namespace tensorferry::client
