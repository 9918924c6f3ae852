#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "payload/digest.h"
#include "payload/dtype_text.h"
#include "tensorferry/client/array.h"
#include "tensorferry/client/response.h"

namespace tensorferry::client {

// Whether dtype, shape and bytes of an array agree, as the server checks them, but for its own limits.
// Errors: the server's, with its reasons and words; they name the array.
absl::Status CheckArray(const Array& array, Fidelity fidelity);

// The digest that the server must report for an array: over its elements in C order, little-endian, bools 0 or 1.
//
// Errors: those of the payload checks, as the server reports them (UNSUPPORTED_DTYPE, SIZE_MISMATCH, …).
// Memory: a few hundred KiB, whatever the size of the array.
absl::StatusOr<Digest> LocalDigest(const Array& array);

// Whether a tensor is the array that was sent.
struct Verdict {
  bool dtype_equal = false;
  bool shape_equal = false;
  bool digest_equal = false;  // Every bit, also of data that came back; false too if the server sent no digest.

  bool equal() const { return dtype_equal && shape_equal && digest_equal; }
};

// Compare what was sent with what the server says it holds.
// Errors: those of LocalDigest.
absl::StatusOr<Verdict> Verify(const Array& sent, const Tensor& received);

}  // namespace tensorferry::client
