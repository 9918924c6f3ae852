#include "tensorferry/client/verify.h"

#include <algorithm>
#include <string>

#include "base/status.h"
#include "lib/elements.h"

namespace tensorferry::client {
namespace {

// Returned data is already in the form over which digests are taken.
Digest DigestOfData(const TensorData& data) { return DigestOf(data.bytes()); }

}  // namespace

absl::Status CheckArray(const Array& array, Fidelity fidelity) { return CheckElements(array, fidelity).status(); }

absl::StatusOr<Digest> LocalDigest(const Array& array) {
  TENSORFERRY_ASSIGN_OR_RETURN(const Elements elements, CheckElements(array, Fidelity::kConvert));
  return DigestOf(elements);
}

absl::StatusOr<Verdict> Verify(const Array& sent, const Tensor& received) {
  TENSORFERRY_ASSIGN_OR_RETURN(const Elements elements, CheckElements(sent, Fidelity::kConvert));
  if (!received.receipt) return Verdict{};
  const Receipt& receipt = *received.receipt;
  const Digest digest = DigestOf(elements);
  const std::string_view dtype = Info(elements.header.dtype()).name;  // NumPy and torch use one name.
  return Verdict{
      .dtype_equal = receipt.dtype_equal && receipt.numpy_dtype == dtype && received.dtype == dtype,
      .shape_equal = std::ranges::equal(elements.header.shape(), received.shape),
      .digest_equal = receipt.digest == digest && (!received.data || DigestOfData(*received.data) == digest)};
}

}  // namespace tensorferry::client
