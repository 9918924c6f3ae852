#include "inference/serving/run_queue.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/status.h"

namespace tensorferry::inference {
namespace {

// kMaxQueued limits a queue for which the configuration sets no limit: in a longer one requests would wait longer than
// anybody waits for them, and memory is finite.
constexpr std::size_t kMaxQueued = 1024;

// Returns whether the two shapes are equal from dimension `first` on.
bool EqualFrom(const Shape& a, const Shape& b, std::size_t first) {
  return a.size() == b.size() && std::equal(a.begin() + static_cast<std::ptrdiff_t>(std::min(first, a.size())), a.end(),
                                            b.begin() + static_cast<std::ptrdiff_t>(std::min(first, b.size())));
}

// Returns whether two inputs may be rows of one tensor. Strings may not: torch has no tensor of strings.
bool FitTogether(const ModelInput& a, const ModelInput& b) {
  return !a.strings && !b.strings && a.header().dtype() == b.header().dtype() &&
         EqualFrom(a.header().shape(), b.header().shape(), 1);
}

// Returns whether two requests may be rows of one batch.
bool RunTogether(const ModelRun& a, const ModelRun& b) {
  if (&a == &b) return true;
  return a.inputs.size() == b.inputs.size() && std::ranges::all_of(a.inputs, [&](const ModelInput& input) {
           const auto other = std::ranges::find(b.inputs, input.name, &ModelInput::name);
           return other != b.inputs.end() && FitTogether(input, *other);
         });
}

absl::Status WaitedForTooLong(std::chrono::microseconds waited) {
  return MakeError(Reason::kDeadline,
                   fmt::format("the request timeout expired: it waited for the model for {} us, longer than it may",
                               waited.count()));
}

// What is meant as "for ever" may be more than the clock can add.
constexpr std::chrono::hours kLongestTimeout{24 * 365 * 100};

// Returns how long a request may wait; nothing if it may wait for as long as its caller does.
std::optional<std::chrono::microseconds> TimeoutOf(const QueuePolicy& policy, std::chrono::microseconds wanted) {
  std::optional<std::chrono::microseconds> timeout;
  if (policy.default_timeout.count() > 0) timeout = policy.default_timeout;
  if (policy.allow_timeout_override && wanted.count() > 0) timeout = std::min(timeout.value_or(wanted), wanted);
  if (timeout) timeout = std::min<std::chrono::microseconds>(*timeout, kLongestTimeout);
  return timeout;
}

bool HasTimeouts(const DynamicBatching& batching) {
  const auto has_timeout = [](const QueuePolicy& policy) {
    return policy.default_timeout.count() > 0 || policy.allow_timeout_override;
  };
  return has_timeout(batching.default_policy) ||
         std::ranges::any_of(batching.policies, [&](const auto& level) { return has_timeout(level.second); });
}

}  // namespace

RunQueue::RunQueue(const std::optional<DynamicBatching>& batching, std::int64_t max_batch_size)
    : batching_(batching),
      together_(batching && max_batch_size > 1),
      may_be_late_(batching && HasTimeouts(*batching)),
      max_rows_(together_ ? max_batch_size : 1),
      levels_(std::max<std::size_t>(batching ? batching->priority_levels : 0, 1) + 1) {}

const QueuePolicy& RunQueue::PolicyOf(std::uint64_t priority) const {
  static const QueuePolicy none;
  if (!batching_) return none;
  const auto own = batching_->policies.find(priority);
  return own == batching_->policies.end() ? batching_->default_policy : own->second;
}

absl::Status RunQueue::Push(ModelRun& run, Clock::time_point now, std::chrono::milliseconds retry_after) {
  const std::uint64_t wanted =
      run.options.priority > 0 || !batching_ ? run.options.priority : batching_->default_priority;
  const std::uint64_t lowest = levels_.size() - 1;
  // Triton, too, gives a priority that the model does not have the default one.
  const std::uint64_t known = wanted <= lowest || !batching_ ? wanted : batching_->default_priority;
  const std::uint64_t priority = std::clamp<std::uint64_t>(known, 1, lowest);
  const QueuePolicy& policy = PolicyOf(priority);
  Level& level = levels_[priority - 1];
  const std::size_t limit = policy.max_queue_size > 0 ? policy.max_queue_size : kMaxQueued;
  if (level.size() >= limit) {
    return MakeError(Reason::kQueueFull,
                     fmt::format("{} requests wait for the model, which is the limit", level.size()),
                     {.actual = fmt::to_string(level.size()),
                      .limit = fmt::to_string(limit),
                      .retry_after = std::max(retry_after, std::chrono::milliseconds(1))});
  }
  const auto timeout = TimeoutOf(policy, run.options.timeout);
  const std::int64_t rows = RowsOf(run, together_);
  level.push_back({.run = &run,
                   .since = now,
                   .rows = rows,
                   .late_at = timeout ? std::optional(now + *timeout) : std::nullopt,
                   .delays_late = policy.delays_late});
  ++size_;
  rows_ += rows;
  return absl::OkStatus();
}

Few<ModelRun*> RunQueue::RemoveEnded(Clock::time_point now) {
  Few<ModelRun*> ended;
  std::vector<Waiting> delayed;
  for (Level& level : levels_) {
    if (level.empty()) continue;
    std::erase_if(level, [&](const Waiting& waiting) {
      absl::Status status = waiting.run->CheckCaller();
      if (status.ok() && waiting.late_at && *waiting.late_at <= now) {
        if (waiting.delays_late) {
          delayed.push_back(waiting);
          delayed.back().late_at.reset();
          return true;
        }
        status = WaitedForTooLong(std::chrono::duration_cast<std::chrono::microseconds>(now - waiting.since));
      }
      if (status.ok()) return false;
      waiting.run->result = std::move(status);
      ended.push_back(waiting.run);
      --size_;
      rows_ -= waiting.rows;
      return true;
    });
  }
  std::ranges::move(delayed, std::back_inserter(levels_.back()));
  return ended;
}

std::optional<Clock::time_point> RunQueue::next_late_at() const {
  std::optional<Clock::time_point> next;
  if (!may_be_late_) return next;
  for (const Level& level : levels_) {
    for (const Waiting& waiting : level) {
      if (waiting.late_at && (!next || *waiting.late_at < *next)) next = waiting.late_at;
    }
  }
  return next;
}

RunQueue::Waiting* RunQueue::First() {
  const auto level = std::ranges::find_if_not(levels_, &Level::empty);
  return level == levels_.end() ? nullptr : &level->front();
}

template <typename Visit>
void RunQueue::ForEachWaiting(Visit&& visit) {
  for (Level& level : levels_) {
    for (Waiting& waiting : level) visit(waiting);
  }
}

// Returns the number of rows of the next batch, if `available` rows fit together: the largest preferred size that can
// be filled; if there is none, as many as a batch takes.
std::int64_t RunQueue::BatchRows(std::int64_t available) const {
  const std::int64_t all = std::min(available, max_rows_);
  std::int64_t rows = 0;
  for (const std::int64_t preferred : batching_->preferred_batch_sizes) {
    if (preferred <= all) rows = std::max(rows, preferred);
  }
  return rows > 0 ? rows : all;
}

Few<RunQueue::Waiting> RunQueue::Take(Clock::time_point now) {
  ready_at_.reset();
  const Waiting* const first = First();
  if (first == nullptr) return {};
  std::int64_t limit = first->rows;
  if (together_) {
    std::int64_t available = 0;
    ForEachWaiting([&](const Waiting& waiting) {
      if (RunTogether(*first->run, *waiting.run)) available += waiting.rows;
    });
    const auto& preferred = batching_->preferred_batch_sizes;
    const std::int64_t enough = preferred.empty() ? max_rows_ : preferred.front();
    const Clock::time_point patience = first->since + batching_->max_queue_delay;
    if (available < enough && now < patience) {
      ready_at_ = patience;
      return {};
    }
    limit = std::max(BatchRows(available), first->rows);
  }
  Few<Waiting> batch;
  const ModelRun& model_of_all = *first->run;
  std::int64_t rows = 0;
  for (Level& level : levels_) {
    std::erase_if(level, [&](const Waiting& waiting) {
      if (limit - rows < waiting.rows || !RunTogether(model_of_all, *waiting.run)) return false;
      rows += waiting.rows;
      batch.push_back(waiting);
      return true;
    });
    if (rows == limit) break;
  }
  size_ -= batch.size();
  rows_ -= rows;
  return batch;
}

}  // namespace tensorferry::inference
