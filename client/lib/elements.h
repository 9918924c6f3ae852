#pragma once

#include "absl/status/statusor.h"
#include "payload/elements.h"
#include "tensorferry/client/array.h"

namespace tensorferry::client {

// CheckElements checks an array of either form as the server does, except for the server's own limits. The result
// borrows the array's bytes.
// Errors: those of the server, with its reasons and words; they name the array.
absl::StatusOr<Elements> CheckElements(const Array& array, Fidelity fidelity);

}  // namespace tensorferry::client
