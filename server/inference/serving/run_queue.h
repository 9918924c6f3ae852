#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "base/few.h"
#include "inference/model_config.h"
#include "inference/model_run.h"

namespace tensorferry::inference {

// Rows of the first dimension that a request brings; 1 where the model has no batches.
std::int64_t RowsOf(const ModelRun& run, bool batches);

// Bytes of all inputs.
std::uint64_t BytesOf(const ModelRun& run);

// The requests that wait for a model, and which of them run together: those of equal inputs, dtypes and shapes beyond
// the first dimension, the highest priority and the oldest first. Whoever takes gets what is there: nothing waits for
// more, unless the configuration sets a delay.
// Threads: one at a time.
class RunQueue {
 public:
  // `batching`: nothing: requests run one by one, without policies. `max_batch_size`: rows of a batch; 0: there are none.
  RunQueue(const std::optional<DynamicBatching>& batching, std::int64_t max_batch_size);

  // Errors: QUEUE_FULL, with `retry_after`.
  absl::Status Push(ModelRun& run, Clock::time_point now, std::chrono::milliseconds retry_after);

  // Remove the runs that nobody waits for any more, or that waited for too long, with their errors in their results.
  Few<ModelRun*> RemoveEnded(Clock::time_point now);

  struct Waiting {
    ModelRun* run;
    Clock::time_point since;
    std::int64_t rows;
    std::optional<Clock::time_point> late_at;
    bool delays_late;
  };

  // The next batch. Empty: nothing is queued, or it is worth waiting until ready_at() for more.
  Few<Waiting> Take(Clock::time_point now);

  // When Take, which gave nothing, is to be asked again; nothing: when something was pushed.
  std::optional<Clock::time_point> ready_at() const { return ready_at_; }

  // When the first of them has waited for as long as it may; nothing: there is no such time.
  std::optional<Clock::time_point> next_late_at() const;

  std::size_t size() const { return size_; }
  std::int64_t rows() const { return rows_; }

 private:
  using Level = std::deque<Waiting>;

  const QueuePolicy& PolicyOf(std::uint64_t priority) const;
  std::int64_t BatchRows(std::int64_t available) const;
  Waiting* First();
  template <typename Visit>
  void ForEachWaiting(Visit&& visit);

  const std::optional<DynamicBatching> batching_;
  const bool together_;     // Requests may be rows of one batch.
  const bool may_be_late_;  // Some of the policies have timeouts.
  const std::int64_t max_rows_;
  std::vector<Level> levels_;  // By priority, the highest first; the last one holds those that were delayed.
  std::size_t size_ = 0;
  std::int64_t rows_ = 0;
  std::optional<Clock::time_point> ready_at_;
};

}  // namespace tensorferry::inference
