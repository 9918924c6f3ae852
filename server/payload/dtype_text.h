// How a dtype is spelled on the wire and in .npy headers.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "payload/dtype.h"

namespace tensorferry {

// How faithfully the conversion mirrors torch.from_numpy.
enum class Fidelity : std::uint8_t {
  kConvert,  // What a NumPy user means: bytes are swapped, bools normalised.
  kStrict,   // What torch.from_numpy takes, and no bools other than 0 and 1.
};

// A dtype as sent: the element type and the order of its bytes.
struct SourceDType {
  DType dtype;
  bool byte_swapped = false;  // Elements are big-endian; never set where the order does not matter.
};

// Read a NumPy type string (`<f4`, `>i2`, `|u1`) or a canonical name (`float32`, `bfloat16`).
//
// Errors:  BAD_DTYPE for what is neither, platform words (`long`, `f`) included; AMBIGUOUS_DTYPE for the void strings
//          (`<V2`) under which NumPy saves several types; OBJECT_DTYPE; UNSUPPORTED_DTYPE for what NumPy or ml_dtypes
//          knows and torch does not. With kStrict, BYTE_ORDER first, then
//          UNSUPPORTED_DTYPE for all but its 14.
// Native:  `=`, `|` and no order character mean little-endian.
absl::StatusOr<SourceDType> ParseDType(std::string_view text, Fidelity fidelity);

// Whether `text` is one of the void strings that ParseDType calls ambiguous.
bool IsAmbiguousVoid(std::string_view text);

// Read the `descr` of a .npy file beside the `name` that a caller gives it.
//
// Name:    empty, or the canonical name of what the descr means, which changes nothing; beside an ambiguous void descr
//          the ml_dtypes type of its item size. The byte order is the descr's: a name has none.
// Errors:  CONFLICTING_FIELDS for any other name; those of ParseDType. With kStrict, BYTE_ORDER first.
absl::StatusOr<SourceDType> ParseDescr(std::string_view descr, std::string_view name, Fidelity fidelity);

}  // namespace tensorferry
