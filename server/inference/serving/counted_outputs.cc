#include "inference/serving/counted_outputs.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "base/answer_bytes.h"
#include "base/memory_budget.h"
#include "inference/tensor/tensor.h"

namespace tensorferry::inference {
namespace {

using Reservations = Few<MemoryBudget::Reservation>;

// CountedElements keeps elements alive, and what the memory budget holds for them and for others in the same memory.
struct CountedElements {
  std::shared_ptr<const void> owner;
  std::shared_ptr<const Reservations> counted;
};

std::uint64_t SumOf(Few<const c10::StorageImpl*> kept) {
  std::ranges::sort(kept, std::less<>());
  std::uint64_t nbytes = 0;
  const auto end = std::unique(kept.begin(), kept.end());
  std::for_each(kept.begin(), end, [&](const c10::StorageImpl* storage) { nbytes += storage->nbytes(); });
  return nbytes;
}

}  // namespace

void CountedOutputs::Note(const NamedTensor& output, const TensorResult& result) {
  const c10::Storage& storage = output.tensor.storage();
  const std::size_t nbytes = BytesOutsideBudget(storage);
  const auto* const begin = static_cast<const std::byte*>(storage.data());
  const std::byte* const elements = result.elements->bytes.data();
  if (nbytes == 0 || std::less<>()(elements, begin) || !std::less<>()(elements, begin + nbytes)) return;
  noted_ += nbytes;
  kept_.push_back(storage.unsafeGetStorageImpl());
}

bool CountedOutputs::few() const { return noted_ <= kUncountedAnswerBytes; }

void CountedOutputs::CountFor(const Few<ModelRun*>& runs, bool batches, BufferPool& pool) {
  const std::uint64_t nbytes = SumOf(kept_);
  const auto rows_of = [&](const ModelRun& run) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(RowsOf(run, batches), 1));
  };
  std::uint64_t rows = 0;
  for (const ModelRun* const run : runs) rows += run->result.ok() ? rows_of(*run) : 0;
  const auto counted = std::make_shared<Reservations>();
  for (ModelRun* const run : runs) {
    if (!run->result.ok()) continue;
    const std::uint64_t its_rows = rows_of(*run);
    const std::uint64_t part = nbytes / rows * its_rows + nbytes % rows * its_rows / rows;
    auto reservation = pool.Reserve(part, run->peer());
    if (!reservation.ok()) {
      run->result = reservation.status();
      continue;
    }
    counted->push_back(*std::move(reservation));
    for (TensorResult& output : run->result->outputs) {
      output.elements->owner =
          std::make_shared<const CountedElements>(CountedElements{std::move(output.elements->owner), counted});
    }
  }
}

}  // namespace tensorferry::inference
