#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "payload/dtype_text.h"
#include "payload/shape.h"

namespace tensorferry {

// ArrayDeclaration is what a caller says of an array before its elements come. Borrows the request.
struct ArrayDeclaration {
  std::string_view dtype;               // As it is spelled on the wire.
  std::span<const std::int64_t> shape;  // Unchecked.
  bool fortran_order = false;
};

// PayloadLimits are the limits of what the server takes.
struct PayloadLimits {
  std::uint64_t max_tensor_bytes;
};

// ArrayHeader is the checked dtype, shape and order of one array: its size in bytes is known, addressable and within
// the limits. Holding an ArrayHeader is the proof that the check was made; nothing downstream repeats it.
class ArrayHeader {
 public:
  // Errors: those of ParseDType and ByteSize; TENSOR_TOO_LARGE if the array is larger than `limits` allow.
  static absl::StatusOr<ArrayHeader> Make(const ArrayDeclaration& declaration, Fidelity fidelity,
                                          const PayloadLimits& limits);

  // Makes a header where the dtype was read before: a name in `declaration.dtype` cannot say the byte order.
  // Errors: those of ByteSize; TENSOR_TOO_LARGE.
  static absl::StatusOr<ArrayHeader> Make(const ArrayDeclaration& declaration, SourceDType source,
                                          const PayloadLimits& limits);

  const std::string& source_dtype() const { return source_dtype_; }  // As the caller sent it: ">f4".
  DType dtype() const { return source_.dtype; }
  bool byte_swapped() const { return source_.byte_swapped; }  // Whether the caller sent big-endian elements.
  const Shape& shape() const { return shape_; }
  bool fortran_order() const { return fortran_order_; }
  std::size_t nbytes() const { return nbytes_; }

  // Checks that an array of this header has `actual` bytes.
  // Errors: SIZE_MISMATCH, with both sizes.
  absl::Status CheckNbytes(std::uint64_t actual) const;

 private:
  ArrayHeader() = default;
  std::string source_dtype_;
  SourceDType source_{};
  Shape shape_;
  bool fortran_order_ = false;
  std::size_t nbytes_ = 0;
};

}  // namespace tensorferry
