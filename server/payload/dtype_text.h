// How a dtype is spelled on the wire and in .npy headers.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "payload/dtype.h"

namespace tensorferry {

// Fidelity says how closely the conversion follows torch.from_numpy.
enum class Fidelity : std::uint8_t {
  kConvert,  // Takes what a NumPy user means: bytes are swapped, bools normalised.
  kStrict,   // Takes only what torch.from_numpy takes, and no bools other than 0 and 1.
};

// SourceDType is a dtype as sent: the element type and the order of its bytes.
struct SourceDType {
  DType dtype;
  bool byte_swapped = false;  // Whether elements are big-endian; never set where the byte order does not matter.
};

// Reads a NumPy type string (`<f4`, `>i2`, `|u1`) or a canonical name (`float32`, `bfloat16`).
//
// Errors:  BAD_DTYPE for a text that is neither, platform words (`long`, `f`) included; AMBIGUOUS_DTYPE for the void
//          strings (`<V2`) under which NumPy saves several types; OBJECT_DTYPE; UNSUPPORTED_DTYPE for a type that NumPy
//          or ml_dtypes knows and torch does not. With kStrict, BYTE_ORDER comes first, then UNSUPPORTED_DTYPE for all
//          but the 14 types of torch.from_numpy.
// Native:  `=`, `|` and no order character mean little-endian.
absl::StatusOr<SourceDType> ParseDType(std::string_view text, Fidelity fidelity);

// Returns whether `text` is one of the void strings for which ParseDType returns AMBIGUOUS_DTYPE.
bool IsAmbiguousVoid(std::string_view text);

// Reads the `descr` of a .npy file together with the `name` that the caller gives for its dtype.
//
// Name:    empty, or the canonical name of the type that the descr means, which changes nothing. For an ambiguous void
//          descr it is the ml_dtypes type of the descr's item size. The descr gives the byte order, as a name has none.
// Errors:  CONFLICTING_FIELDS for any other name; those of ParseDType. With kStrict, BYTE_ORDER comes first.
absl::StatusOr<SourceDType> ParseDescr(std::string_view descr, std::string_view name, Fidelity fidelity);

}  // namespace tensorferry
