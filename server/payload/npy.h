// The header of a .npy file: format versions 1.0, 2.0 and 3.0.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "payload/array_header.h"

namespace tensorferry {

// Bytes before the header text: magic, version, length field of 2 (1.0) or 4 bytes.
inline constexpr std::size_t kMaxNpyPreamble = 12;

// Longest header text taken, in bytes; NumPy's own limit.
inline constexpr std::size_t kMaxNpyHeaderText = 10'000;

// No more than this many bytes at the start of a file are ever needed to read its header.
inline constexpr std::size_t kMaxNpyHeader = kMaxNpyPreamble + kMaxNpyHeaderText;

// The three facts that a header states, unchecked against each other, and where the elements begin.
struct NpyHeader {
  std::string descr;  // dtype as the file spells it. A structured type is kept as its source text.
  bool fortran_order = false;
  Shape shape;
  std::size_t data_offset = 0;  // Bytes from the start of the file.

  ArrayDeclaration declaration() const { return {descr, shape, fortran_order}; }
};

// Read the header at the start of `file`, which holds the whole file or at least its first kMaxNpyHeader bytes.
//
// Takes:   a flat dictionary with exactly the keys descr, fortran_order and shape, in any order and quoting, with any
//          whitespace and an optional trailing comma; `3L` as a dimension in versions 1.0 and 2.0 (Python 2 wrote it).
// Refuses: what NumPy's reader evaluates but its writer never writes: comments, escapes and concatenation in strings,
//          repeated keys, hexadecimal, signed or underscored numbers, `True` as a dimension. docs/dtypes.md lists them.
// Errors:  BAD_MAGIC, BAD_VERSION, BAD_HEADER.
// Cost:    one pass, no recursion, no memory beyond the result, whatever the bytes are.
absl::StatusOr<NpyHeader> ParseNpyHeader(std::string_view file);

// Check the header of a .npy file of `file_nbytes` bytes in all.
//
// `named_dtype`: empty, or a name for ParseDescr. The header's source_dtype is the name where the descr is ambiguous,
//                else the descr.
// Errors: those of ParseDescr and ArrayHeader::Make; SIZE_MISMATCH if data is missing, TRAILING_BYTES if bytes follow.
absl::StatusOr<ArrayHeader> CheckNpyHeader(const NpyHeader& npy, std::string_view named_dtype, std::size_t file_nbytes,
                                           Fidelity fidelity, const PayloadLimits& limits);

}  // namespace tensorferry
