#include "lib/elements.h"

#include "base/status.h"

namespace tensorferry::client {

absl::StatusOr<Elements> CheckElements(const Array& array, Fidelity fidelity) {
  absl::StatusOr<Elements> elements =
      array.form == Array::Form::kNpy
          ? CheckNpyElements(array.bytes, array.dtype, fidelity)
          : tensorferry::CheckElements({array.dtype, array.shape, array.fortran_order}, array.bytes, fidelity);
  if (!elements.ok()) return InArray(array.name, elements.status());
  return elements;
}

}  // namespace tensorferry::client
