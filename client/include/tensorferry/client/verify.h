#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "payload/digest.h"
#include "payload/dtype_text.h"
#include "tensorferry/client/array.h"
#include "tensorferry/client/response.h"

namespace tensorferry::client {

// CheckArray checks that dtype, shape and bytes of an array agree, as the server does except for the server's own
// limits.
// Errors: those of the server, with its reasons and words; they name the array.
absl::Status CheckArray(const Array& array, Fidelity fidelity);

// LocalDigest computes the digest that the server must report for an array: over its elements in C order,
// little-endian, with bools 0 or 1.
//
// Errors: those of the payload checks, as the server reports them (UNSUPPORTED_DTYPE, SIZE_MISMATCH, …).
// Memory: a few hundred KiB, whatever the size of the array.
absl::StatusOr<Digest> LocalDigest(const Array& array);

// Verdict says whether a tensor is the array that was sent.
struct Verdict {
  bool dtype_equal = false;
  bool shape_equal = false;
  bool digest_equal = false;  // Compares every bit, also of returned data; false without a digest from the server.

  bool equal() const { return dtype_equal && shape_equal && digest_equal; }
};

// Verify compares what was sent with what the server says it holds.
// Errors: those of LocalDigest.
absl::StatusOr<Verdict> Verify(const Array& sent, const Tensor& received);

}  // namespace tensorferry::client
