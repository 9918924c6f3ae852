#include "inference/tensor/conversion.h"

#include <utility>

#include "base/status.h"

namespace tensorferry::inference {

Receipt MakeReceipt(const ArrayHeader& header, const CopiedElements& copied) {
  return {.source_dtype = header.source_dtype(),
          .dtype = header.dtype(),
          .byte_order_swapped = header.byte_swapped(),
          .bools_normalized = copied.normalized_bools,
          .digest = copied.digest};
}

absl::Status AddResult(const NamedTensor& named, Elements elements, const ResultLimits& limits,
                       std::vector<TensorResult>& results) {
  TensorResult& result = results.emplace_back();
  TENSORFERRY_ASSIGN_OR_RETURN(result.metadata, Describe(named, limits.max_tensor_bytes));
  if (elements == Elements::kNone) return absl::OkStatus();
  TENSORFERRY_ASSIGN_OR_RETURN(result.elements, ElementsOf(named.tensor, elements, limits.pool));
  return absl::OkStatus();
}

absl::Status AddResultWithReceipt(const NamedTensor& named, Receipt receipt, Elements elements,
                                  const ResultLimits& limits, std::vector<TensorResult>& results) {
  TENSORFERRY_RETURN_IF_ERROR(AddResult(named, elements, limits, results));
  receipt.dtype_equal = results.back().metadata.dtype == Info(receipt.dtype).name;
  results.back().receipt = std::move(receipt);
  return absl::OkStatus();
}

}  // namespace tensorferry::inference
