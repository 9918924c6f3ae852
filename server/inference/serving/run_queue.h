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

// RunQueue holds the requests that wait for a model, and chooses which of them run together. Requests can run together
// if their inputs have the same names, dtypes, and shapes beyond the first dimension. The highest priority comes first,
// and within a priority the oldest request. No request waits for others to come, unless the configuration sets a delay.
// Threads: one at a time.
class RunQueue {
 public:
  // If `batching` is nothing, requests run one by one, without policies. `max_batch_size` is the most rows of a batch;
  // 0 if the model has no batches.
  RunQueue(const std::optional<DynamicBatching>& batching, std::int64_t max_batch_size);

  // Errors: QUEUE_FULL, with `retry_after`.
  absl::Status Push(ModelRun& run, Clock::time_point now, std::chrono::milliseconds retry_after);

  // Removes the runs whose callers have stopped waiting, and those that have waited for too long, and sets their
  // results to errors.
  Few<ModelRun*> RemoveEnded(Clock::time_point now);

  struct Waiting {
    ModelRun* run;
    Clock::time_point since;
    std::int64_t rows;
    std::optional<Clock::time_point> late_at;  // The end of the run's timeout; nothing if it has none.
    bool delays_late;                          // At late_at the run moves behind all others, instead of being refused.
  };

  // Removes and returns the next batch. It is empty if nothing is queued, or if it is worth waiting until ready_at()
  // for more requests.
  Few<Waiting> Take(Clock::time_point now);

  // After an empty batch, returns when to call Take again, if nothing is pushed before. Returns nothing if only a push
  // helps.
  std::optional<Clock::time_point> ready_at() const { return ready_at_; }

  // Returns the earliest late_at of the waiting runs; nothing if no run has one.
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
  const bool together_;     // Whether requests may be rows of one batch.
  const bool may_be_late_;  // Whether any policy has a timeout.
  const std::int64_t max_rows_;
  std::vector<Level> levels_;  // By priority, the highest first; the last level holds the requests that were delayed.
  std::size_t size_ = 0;
  std::int64_t rows_ = 0;
  std::optional<Clock::time_point> ready_at_;
};

}  // namespace tensorferry::inference
