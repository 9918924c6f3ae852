#include "inference/serving/gather.h"

#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "inference/tensor/conversion.h"
#include "inference/tensor/tensor.h"
#include "inference/tensor/torch_dtype.h"

namespace tensorferry::inference {
namespace {

ModelInput& Named(ModelRun& run, std::string_view name) {
  return *std::ranges::find(run.inputs, name, &ModelInput::name);
}

// Takes the memory for the elements: that of their reservation, or new memory if an earlier run of the request has used
// up the reservation.
absl::StatusOr<AlignedBuffer> MemoryOf(WaitingElements& waiting, const PoolFor& pool) {
  if (waiting.reservation.nbytes() == waiting.header.nbytes()) return pool.pool.Take(std::move(waiting.reservation));
  return pool.Take(waiting.header.nbytes());
}

absl::StatusOr<ArrayPayload> TakePayload(ModelInput& input, const PoolFor& pool) {
  if (auto* const payload = std::get_if<ArrayPayload>(&input.array)) {
    // Copied, because the size of the input's own header is still asked for later.
    ArrayHeader header = payload->header;
    return ArrayPayload{std::move(header), std::move(payload->elements), payload->copied, std::move(payload->shared)};
  }
  auto& waiting = std::get<WaitingElements>(input.array);
  TENSORFERRY_ASSIGN_OR_RETURN(AlignedBuffer elements, MemoryOf(waiting, pool));
  auto copied = CopyElements(waiting.header, waiting.options, waiting.bytes, elements.data());
  if (!copied.ok()) return InArray(input.name, copied.status());
  return ArrayPayload{waiting.header, std::move(elements), *std::move(copied)};
}

absl::StatusOr<GatheredInputs> GatherOne(ModelRun& run, bool batches, BufferPool& pool) {
  GatheredInputs gathered;
  if (batches) gathered.first_rows = {0, RowsOf(run, batches)};
  Few<Receipt>& receipts = gathered.receipts.emplace_back();
  for (ModelInput& input : run.inputs) {
    TENSORFERRY_ASSIGN_OR_RETURN(ArrayPayload payload, TakePayload(input, {pool, run.peer()}));
    receipts.push_back(MakeReceipt(payload.header, payload.copied));
    gathered.tensors.push_back({input.name, MakeTensor(std::move(payload)), input.strings});
  }
  return gathered;
}

// Makes a tensor over the payload's elements. Borrows `payload`.
at::Tensor View(const ArrayPayload& payload) {
  const ArrayHeader& header = payload.header;
  const ElementStrides strides = ContiguousStrides(header.shape(), header.fortran_order());
  return at::from_blob(const_cast<std::byte*>(payload.data()), {header.shape().data(), header.shape().size()},
                       {strides.data(), strides.size()}, at::TensorOptions().dtype(ToTorch(header.dtype())));
}

// Takes the memory for one input of all requests together, as TakeForAll does, out of what they have reserved already.
absl::StatusOr<AlignedBuffer> MemoryOfAll(std::span<ModelRun* const> runs, std::string_view name, BufferPool& pool) {
  MemoryBudget::Reservation all;
  for (ModelRun* const run : runs) {
    ModelInput& input = Named(*run, name);
    auto* const waiting = std::get_if<WaitingElements>(&input.array);
    if (waiting != nullptr && waiting->reservation.nbytes() == waiting->header.nbytes()) {
      all.Merge(std::move(waiting->reservation));
    } else {
      TENSORFERRY_ASSIGN_OR_RETURN(MemoryBudget::Reservation more, pool.Reserve(input.header().nbytes(), run->peer()));
      all.Merge(std::move(more));
    }
  }
  return pool.Take(std::move(all));
}

// Copies one request's elements into its rows of `tensor`.
absl::StatusOr<Receipt> CopyRows(const ModelInput& input, const at::Tensor& tensor, std::int64_t first_row,
                                 std::int64_t rows) {
  if (const auto* const payload = std::get_if<ArrayPayload>(&input.array)) {
    if (payload->header.nbytes() > 0) tensor.narrow(0, first_row, rows).copy_(View(*payload));
    return MakeReceipt(payload->header, payload->copied);
  }
  const auto& waiting = std::get<WaitingElements>(input.array);
  auto* const begin = static_cast<std::byte*>(tensor.mutable_data_ptr()) +
                      static_cast<std::size_t>(first_row) * (waiting.header.nbytes() / static_cast<std::size_t>(rows));
  auto copied = CopyElements(waiting.header, waiting.options, waiting.bytes, begin);
  if (!copied.ok()) return InArray(input.name, copied.status());
  return MakeReceipt(waiting.header, *copied);
}

}  // namespace

absl::StatusOr<AlignedBuffer> TakeForAll(std::span<ModelRun* const> runs, std::string_view name, BufferPool& pool) {
  MemoryBudget::Reservation all;
  for (ModelRun* const run : runs) {
    const std::uint64_t nbytes = Named(*run, name).header().nbytes();
    TENSORFERRY_ASSIGN_OR_RETURN(MemoryBudget::Reservation its, pool.Reserve(nbytes, run->peer()));
    all.Merge(std::move(its));
  }
  return pool.Take(std::move(all));
}

at::Tensor GatheredInputs::RowsOf(std::size_t request, std::size_t array, std::string_view name) const {
  if (receipts.size() == 1) return tensors[array].tensor;
  const at::Tensor& tensor = std::ranges::find(tensors, name, &NamedTensor::name)->tensor;
  return tensor.narrow(0, first_rows[request], first_rows[request + 1] - first_rows[request]);
}

absl::StatusOr<GatheredInputs> GatherInputs(std::span<ModelRun* const> runs, bool batches, BufferPool& pool) {
  if (runs.size() == 1) return GatherOne(*runs.front(), batches, pool);
  GatheredInputs gathered{.tensors = {}, .first_rows = {0}, .receipts = {}};
  for (ModelRun* const run : runs) {
    gathered.first_rows.push_back(gathered.first_rows.back() + RowsOf(*run, batches));
    gathered.receipts.emplace_back().resize(run->inputs.size());
  }
  for (const ModelInput& first : runs.front()->inputs) {
    TENSORFERRY_ASSIGN_OR_RETURN(AlignedBuffer elements, MemoryOfAll(runs, first.name, pool));
    Shape shape = first.header().shape();
    shape.front() = gathered.rows();
    const at::Tensor tensor = TensorOver(std::move(elements), first.header().dtype(), shape);
    for (std::size_t i = 0; i < runs.size(); ++i) {
      ModelInput& input = Named(*runs[i], first.name);
      const std::int64_t rows = gathered.first_rows[i + 1] - gathered.first_rows[i];
      TENSORFERRY_ASSIGN_OR_RETURN(Receipt receipt, CopyRows(input, tensor, gathered.first_rows[i], rows));
      gathered.receipts[i][static_cast<std::size_t>(&input - runs[i]->inputs.data())] = std::move(receipt);
    }
    gathered.tensors.push_back({first.name, tensor});
  }
  return gathered;
}

}  // namespace tensorferry::inference
