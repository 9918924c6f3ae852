#include "lib/elements.h"

#include <string_view>
#include <utility>

#include "base/status.h"
#include "payload/npy.h"

namespace tensorferry::client {
namespace {

constexpr PayloadLimits kNoLimits{.max_tensor_bytes = std::numeric_limits<std::uint64_t>::max()};

absl::StatusOr<Elements> Check(const Array& array, Fidelity fidelity) {
  if (array.form == Array::Form::kNpy) {
    const std::string_view file(reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size());
    TENSORFERRY_ASSIGN_OR_RETURN(const NpyHeader npy, ParseNpyHeader(file));
    TENSORFERRY_ASSIGN_OR_RETURN(ArrayHeader header,
                                 CheckNpyHeader(npy, array.dtype, file.size(), fidelity, kNoLimits));
    return Elements{std::move(header), array.bytes.subspan(npy.data_offset)};
  }
  const ArrayDeclaration declaration{array.dtype, array.shape, array.fortran_order};
  TENSORFERRY_ASSIGN_OR_RETURN(ArrayHeader header, ArrayHeader::Make(declaration, fidelity, kNoLimits));
  TENSORFERRY_RETURN_IF_ERROR(header.CheckNbytes(array.bytes.size()));
  return Elements{std::move(header), array.bytes};
}

}  // namespace

absl::StatusOr<Elements> CheckElements(const Array& array, Fidelity fidelity) {
  absl::StatusOr<Elements> elements = Check(array, fidelity);
  if (!elements.ok()) return InArray(array.name, elements.status());
  return elements;
}

}  // namespace tensorferry::client
