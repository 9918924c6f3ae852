// The receipt of a converted array, and the result that a caller gets of a tensor.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "base/buffer_pool.h"
#include "inference/result.h"
#include "inference/tensor/model.h"
#include "inference/tensor/tensor.h"
#include "payload/array_payload.h"

namespace tensorferry::inference {

// Makes the receipt of an array from what its copy found. AddResultWithReceipt sets dtype_equal.
Receipt MakeReceipt(const ArrayHeader& header, const CopiedElements& copied);

// ResultLimits bound what a result takes: its elements, and the memory for those that are copied, which is counted for a
// peer. Borrows what `pool` borrows.
struct ResultLimits {
  std::uint64_t max_tensor_bytes;
  PoolFor pool;
};

// Adds the metadata of a tensor, and its elements. The result is made where it stays: it is large to move.
// Errors: those of Describe and ElementsOf; `results` is then of no use.
absl::Status AddResult(const NamedTensor& named, Elements elements, const ResultLimits& limits,
                       std::vector<TensorResult>& results);

// Does what AddResult does, for a converted array, and adds its receipt, which says whether its dtype is the tensor's
// own.
absl::Status AddResultWithReceipt(const NamedTensor& named, Receipt receipt, Elements elements,
                                  const ResultLimits& limits, std::vector<TensorResult>& results);

}  // namespace tensorferry::inference
