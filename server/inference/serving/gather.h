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

// GatheredInputs are the arrays of one or several requests as the inputs of one run: one tensor for each input. Its
// rows are those of the first request, then those of the second, and so on.
struct GatheredInputs {
  std::vector<NamedTensor> tensors;
  Few<std::int64_t> first_rows;  // The first row of each request, then the number of all rows. Empty: no batches.
  Few<Few<Receipt>> receipts;    // One for each array of each request: receipts[request][array].

  std::int64_t rows() const { return first_rows.empty() ? 1 : first_rows.back(); }

  // Returns the rows of the `request`th request's `array`th array, which has the name `name`.
  at::Tensor RowsOf(std::size_t request, std::size_t array, std::string_view name) const;
};

// Takes memory for one input of all requests together, which the budget counts for each of their callers by his part.
// Errors: those of BufferPool::Take.
absl::StatusOr<AlignedBuffer> TakeForAll(std::span<ModelRun* const> runs, std::string_view name, BufferPool& pool);

// Makes tensors of the requests' arrays, whose names, dtypes and shapes fit together. Elements that wait in their
// messages are copied straight into their rows. The payloads of a single request are moved into its tensors; those of
// several requests are copied and stay, for a second attempt. `batches`: the first dimension is that of the batch.
// Errors: BOOL_RANGE, naming the array; MEMORY_BUDGET.
absl::StatusOr<GatheredInputs> GatherInputs(std::span<ModelRun* const> runs, bool batches, BufferPool& pool);

}  // namespace tensorferry::inference
