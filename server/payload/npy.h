// The header of a .npy file: format versions 1.0, 2.0 and 3.0.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "payload/array_header.h"

namespace tensorferry {

// The most bytes before the header text: the magic, the version, and a length field of 2 (version 1.0) or 4 bytes.
inline constexpr std::size_t kMaxNpyPreamble = 12;

// The longest header text that is read, in bytes; it is NumPy's own limit.
inline constexpr std::size_t kMaxNpyHeaderText = 10'000;

// Reading a header never needs more than this many bytes from the start of a file.
inline constexpr std::size_t kMaxNpyHeader = kMaxNpyPreamble + kMaxNpyHeaderText;

// NpyHeader holds the three facts that a header states, not checked against each other, and the place of the elements.
struct NpyHeader {
  std::string descr;  // The dtype as the file spells it. For a structured type it is the source text.
  bool fortran_order = false;
  Shape shape;
  std::size_t data_offset = 0;  // Bytes from the start of the file.

  ArrayDeclaration declaration() const { return {descr, shape, fortran_order}; }
};

// Reads the header at the start of `file`, which holds the whole file or at least its first kMaxNpyHeader bytes.
//
// Takes:   a flat dictionary with exactly the keys descr, fortran_order and shape, in any order and quoting, with any
//          whitespace and an optional trailing comma; `3L` as a dimension in versions 1.0 and 2.0 (Python 2 wrote it).
// Refuses: what NumPy's reader evaluates but its writer never writes: comments, escapes and concatenation in strings,
//          repeated keys, hexadecimal, signed or underscored numbers, `True` as a dimension. docs/dtypes.md lists them.
// Errors:  BAD_MAGIC, BAD_VERSION, BAD_HEADER.
// Cost:    one pass, no recursion, no memory beyond the result, whatever the bytes are.
absl::StatusOr<NpyHeader> ParseNpyHeader(std::string_view file);

// Checks the header of a .npy file that has `file_nbytes` bytes in all.
//
// `named_dtype`: empty, or a name for ParseDescr. The result's source_dtype is this name if the descr is ambiguous,
// else the descr.
// Errors: those of ParseDescr and ArrayHeader::Make; SIZE_MISMATCH if elements are missing, TRAILING_BYTES if bytes
//         follow them.
absl::StatusOr<ArrayHeader> CheckNpyHeader(const NpyHeader& npy, std::string_view named_dtype, std::size_t file_nbytes,
                                           Fidelity fidelity, const PayloadLimits& limits);

}  // namespace tensorferry
