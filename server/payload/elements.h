#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "absl/status/statusor.h"
#include "payload/array_header.h"
#include "payload/digest.h"

namespace tensorferry {

// Elements is an array whose dtype, shape and size were checked against each other. It borrows the array's bytes.
struct Elements {
  ArrayHeader header;
  std::span<const std::byte> bytes;  // As many as header.nbytes().
};

// These functions check an array as the server does, except for the server's own limits.
// Errors: those of the server, with its reasons and words, but for the array's name.
absl::StatusOr<Elements> CheckElements(const ArrayDeclaration& declaration, std::span<const std::byte> bytes,
                                       Fidelity fidelity);

// `file` is a whole .npy file, and `named_dtype` as in CheckNpyHeader.
absl::StatusOr<Elements> CheckNpyElements(std::span<const std::byte> file, std::string_view named_dtype,
                                          Fidelity fidelity);

// Returns the digest of the elements in the form in which a tensor holds them: C order, little-endian, bools 0 and 1.
Digest DigestOf(const Elements& elements);

}  // namespace tensorferry
