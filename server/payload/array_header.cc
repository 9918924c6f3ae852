#include "payload/array_header.h"

#include <fmt/format.h>

#include "base/status.h"

namespace tensorferry {

absl::StatusOr<ArrayHeader> ArrayHeader::Make(const ArrayDeclaration& declaration, Fidelity fidelity,
                                              const PayloadLimits& limits) {
  TENSORFERRY_ASSIGN_OR_RETURN(const SourceDType source, ParseDType(declaration.dtype, fidelity));
  return Make(declaration, source, limits);
}

absl::StatusOr<ArrayHeader> ArrayHeader::Make(const ArrayDeclaration& declaration, SourceDType source,
                                              const PayloadLimits& limits) {
  ArrayHeader header;
  header.source_ = source;
  TENSORFERRY_ASSIGN_OR_RETURN(header.nbytes_, ByteSize(declaration.shape, Info(header.source_.dtype).itemsize));
  if (header.nbytes_ > limits.max_tensor_bytes) {
    return MakeError(
        Reason::kTensorTooLarge,
        fmt::format("{} with shape {} needs {} bytes, the server takes at most {}", Term(Info(header.dtype()).name),
                    ToText(declaration.shape), header.nbytes_, limits.max_tensor_bytes),
        {.field = "shape", .actual = fmt::to_string(header.nbytes_), .limit = fmt::to_string(limits.max_tensor_bytes)});
  }
  header.source_dtype_ = declaration.dtype;
  header.shape_.assign(declaration.shape.begin(), declaration.shape.end());
  header.fortran_order_ = declaration.fortran_order;
  return header;
}

absl::Status ArrayHeader::CheckNbytes(std::uint64_t actual) const {
  if (actual == nbytes_) return absl::OkStatus();
  return MakeError(
      Reason::kSizeMismatch,
      fmt::format("{} with shape {} needs {} bytes, got {}", Term(Info(dtype()).name), ToText(shape_), nbytes_, actual),
      {.field = "data", .expected = fmt::to_string(nbytes_), .actual = fmt::to_string(actual)});
}

}  // namespace tensorferry
