#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/buffer_pool.h"
#include "inference/model_run.h"
#include "inference/tensor/model.h"

namespace tensorferry::inference {

// The arrays of several requests as the inputs of one run: one tensor for each input, whose rows are the requests', one
// after the other. Of a single request they are its own tensors.
struct GatheredInputs {
  std::vector<NamedTensor> tensors;
  Few<std::int64_t> first_rows;  // Of each request; and, last, the number of rows. Empty: no batches.
  Few<Few<Receipt>> receipts;    // Of each request, of each of its arrays.

  std::int64_t rows() const { return first_rows.empty() ? 1 : first_rows.back(); }

  // The part of an input that is one request's.
  at::Tensor RowsOf(std::size_t request, std::string_view input) const;
};

// Make tensors of the requests' arrays, whose names, dtypes and shapes fit together. Elements that wait in their
// messages are copied straight into their rows. A single request's payloads are taken over; of several they are only
// read. `batches`: the first dimension is that of the batch.
// Errors: BOOL_RANGE, naming the array; MEMORY_BUDGET.
absl::StatusOr<GatheredInputs> GatherInputs(std::span<ModelRun* const> runs, bool batches, BufferPool& pool);

}  // namespace tensorferry::inference
