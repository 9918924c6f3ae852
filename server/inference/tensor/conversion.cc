#include "inference/tensor/conversion.h"

#include <utility>

#include "base/status.h"

namespace tensorferry::inference {

Receipt MakeReceipt(const ArrayHeader& header, const CopiedElements& copied) {
  return {.source_dtype = header.source_dtype(),
          .numpy_dtype = Info(header.dtype()).name,
          .byte_order_swapped = header.byte_swapped(),
          .bools_normalized = copied.normalized_bools,
          .digest = copied.digest};
}

absl::StatusOr<TensorResult> ResultOf(const NamedTensor& named, Elements elements, std::uint64_t max_tensor_bytes) {
  TENSORFERRY_ASSIGN_OR_RETURN(TensorMetadata metadata, Describe(named, max_tensor_bytes));
  TensorResult result{.metadata = std::move(metadata)};
  if (elements != Elements::kNone) result.elements = ElementsOf(named.tensor, elements);
  return result;
}

absl::StatusOr<TensorResult> ResultWithReceipt(const NamedTensor& named, Receipt receipt, bool with_elements,
                                               std::uint64_t max_tensor_bytes) {
  TENSORFERRY_ASSIGN_OR_RETURN(TensorResult result,
                               ResultOf(named, with_elements ? Elements::kShared : Elements::kNone, max_tensor_bytes));
  receipt.dtype_equal = result.metadata.dtype == receipt.numpy_dtype;
  result.receipt = std::move(receipt);
  return result;
}

}  // namespace tensorferry::inference
