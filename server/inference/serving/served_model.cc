#include "inference/serving/served_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <future>
#include <iterator>
#include <system_error>
#include <utility>

#include "base/status.h"
#include "inference/serving/input_check.h"

namespace tensorferry::inference {
namespace {

// Runs the engine and sets the results of all runs, whatever is thrown.
Few<Execution> RunAll(const BatchRunner& runner, Model& engine, const Few<ModelRun*>& runs) {
  try {
    return runner.Run(engine, runs);
  } catch (const std::exception& error) {
    const absl::Status status = MakeError(Reason::kInternal, "internal error", {.log_text = error.what()});
    for (ModelRun* const run : runs) run->result = status;
    return {};
  }
}

Few<ModelRun*> RunsOf(const Few<RunQueue::Waiting>& batch) {
  Few<ModelRun*> runs;
  for (const RunQueue::Waiting& waiting : batch) runs.push_back(waiting.run);
  return runs;
}

std::uint64_t BytesOf(const Few<RunQueue::Waiting>& batch) {
  std::uint64_t nbytes = 0;
  for (const RunQueue::Waiting& waiting : batch) nbytes += BytesOf(*waiting.run);
  return nbytes;
}

bool HasStrings(const ModelInfo& model) {
  const auto is_strings = [](const TensorSpec& spec) { return spec.dtype == kStrings; };
  return std::ranges::any_of(model.inputs, is_strings) || std::ranges::any_of(model.outputs, is_strings);
}

// Returns the traits of a model. A model of strings does not batch, since strings of several requests cannot be put
// together.
Placement::Traits TraitsOf(const ModelInfo& model, const ModelConfig& config, const Model& engine) {
  const bool batches = config.batching.has_value() && model.max_batch_size > 1 && !HasStrings(model);
  return {.batches = batches,
          .waits = batches && config.batching->max_queue_delay.count() > 0,
          .trivial = engine.is_trivial()};
}

std::vector<std::shared_ptr<Model>> EachOnce(const std::vector<std::shared_ptr<Model>>& engines) {
  std::vector<std::shared_ptr<Model>> found;
  std::ranges::unique_copy(engines, std::back_inserter(found));
  return found;
}

std::chrono::milliseconds Milliseconds(std::chrono::nanoseconds time) {
  return std::chrono::ceil<std::chrono::milliseconds>(time);
}

}  // namespace

ServedModel::ServedModel(ModelInfo info, std::vector<std::shared_ptr<Model>> engines, const Options& options,
                         BufferPool& pool)
    : info_(std::move(info)),
      config_(options.config),
      traits_(TraitsOf(info_, config_, *engines.front())),
      engines_(EachOnce(engines)),
      now_(options.runner.now),
      runner_(options.runner, pool),
      queue_(config_.batching, traits_.batches ? info_.max_batch_size : 1),
      placement_(traits_),
      executors_(std::move(engines), options.keep_threads, mutex_) {}

ServedModel::~ServedModel() {
  {
    const MutexLock lock(mutex_);
    ending_ = true;
    watch_.NotifyOne();
  }
  if (watcher_.joinable()) watcher_.join();
}

absl::Status ServedModel::Check(std::span<const InputDeclaration> inputs,
                                std::span<const std::string> requested_outputs) const {
  TENSORFERRY_RETURN_IF_ERROR(CheckInputs(info_, inputs));
  return CheckOutputs(info_, requested_outputs);
}

std::optional<std::string> ServedModel::unavailable() const {
  for (const auto& engine : engines_) {
    if (auto why = engine->unavailable()) return why;
  }
  return std::nullopt;
}

ModelVersion::Submitted ServedModel::Submit(ModelRun& run) {
  const Clock::time_point now = now_();
  {
    const MutexLock lock(mutex_);
    const absl::Status status = Queue(run, now);
    if (status.ok()) return PlaceQueued(run, now);
    statistics_.fail.Add({});
    run.result = InModel(info_.name, status);
  }
  run.Complete();
  return Submitted::kTaken;
}

absl::Status ServedModel::Queue(ModelRun& run, Clock::time_point now) {
  const std::chrono::nanoseconds wait = ExpectedWait();
  if (wait.count() > 0 && run.deadline != Clock::time_point::max() && run.deadline - now < wait) {
    return MakeError(Reason::kDeadline,
                     fmt::format("the request would wait for about {} ms, longer than its deadline allows",
                                 Milliseconds(wait).count()));
  }
  return queue_.Push(run, now, Milliseconds(wait + placement_.expected()));
}

// Returns how long a request that comes now waits at least: the requests ahead run in full batches, on all executors at
// once.
std::chrono::nanoseconds ServedModel::ExpectedWait() const {
  const std::int64_t batch = traits_.batches ? info_.max_batch_size : 1;
  const std::int64_t ahead = queue_.rows() / batch;
  return placement_.expected() * ahead / static_cast<std::int64_t>(executors_.size());
}

// Places `run`, which was just queued.
ModelVersion::Submitted ServedModel::PlaceQueued(const ModelRun& run, Clock::time_point now) {
  if (awaiting_more_ > 0) more_.NotifyAll();
  RecordArrival();
  if (HasTaker()) {
    if (queue_.next_late_at()) WatchForLate();
    return Submitted::kTaken;
  }
  Executor& executor = executors_.TakeIdle();
  const Placement::Where where = Decide(
      BytesOf(run), now, {.thread_is_idle = false, .may_run_here = run.may_run_here, .tells_idle = run.tells_idle});
  if (where == Placement::Where::kWhenIdle) {
    idle_reserved_.push_back(&executor);
    return Submitted::kRunWhenIdle;
  }
  if (where == Placement::Where::kHere || !DispatchQueued(executor)) Serve(executor);
  return Submitted::kTaken;
}

void ServedModel::RecordArrival() {
  const std::size_t running = executors_.size() - executors_.idle_count() - answering_;
  placement_.RecordArrival(queue_.size() + running, answering_);
}

// Returns whether what is queued will be taken: by an executor that waits for a fuller batch, by a thread that was told
// to call RunQueued, or by an executor that is still running.
bool ServedModel::HasTaker() const {
  return awaiting_more_ > 0 || !idle_reserved_.empty() || executors_.idle_count() == 0;
}

Placement::Where ServedModel::Decide(std::uint64_t nbytes, Clock::time_point now, Placement::State state) {
  if (std::ranges::any_of(engines_, [](const auto& engine) { return engine->may_wait(); })) {
    return Placement::Where::kExecutor;
  }
  state.oldest_start = executors_.OldestStart();
  return placement_.Decide(nbytes, now, state);
}

bool ServedModel::RunQueued() {
  const MutexLock lock(mutex_);
  if (idle_reserved_.empty()) return false;
  Executor& executor = *idle_reserved_.back();
  idle_reserved_.pop_back();
  const Clock::time_point now = now_();
  CompleteEnded(now);
  const Batch batch = queue_.Take(now);
  placement_.RecordBatch(batch.size());
  if (!batch.empty()) {
    const bool here = Decide(BytesOf(batch), now, {.thread_is_idle = true}) != Placement::Where::kExecutor;
    if (!here && DispatchBatch(executor, batch)) return false;
    Execute(executor, batch);
  }
  if (queue_.size() == 0) {
    executors_.MakeIdle(executor);
    return false;
  }
  idle_reserved_.push_back(&executor);
  return true;
}

// Runs what is queued until nothing is; the executor is idle then.
void ServedModel::Serve(Executor& executor) {
  while (queue_.size() > 0) {
    const Clock::time_point now = now_();
    CompleteEnded(now);
    if (const Batch batch = queue_.Take(now); !batch.empty()) {
      Execute(executor, batch);
    } else if (const auto ready_at = queue_.ready_at()) {
      AwaitMore(std::min(*ready_at, queue_.next_late_at().value_or(*ready_at)));
    }
  }
  executors_.MakeIdle(executor);
}

void ServedModel::AwaitMore(Clock::time_point until) {
  ++awaiting_more_;
  more_.WaitUntil(mutex_, until);
  --awaiting_more_;
}

// Makes the executor's thread serve what is queued. Returns false if the system has no thread for it.
bool ServedModel::DispatchQueued(Executor& executor) {
  return executors_.Dispatch(executor, [this, &executor] {
    const MutexLock lock(mutex_);
    Serve(executor);
  });
}

// Makes the executor's thread run the batch, and then serve what is queued. Returns false if the system has no thread
// for it.
bool ServedModel::DispatchBatch(Executor& executor, const Batch& batch) {
  return executors_.Dispatch(executor, [this, &executor, batch] {
    const MutexLock lock(mutex_);
    Execute(executor, batch);
    Serve(executor);
  });
}

void ServedModel::Execute(Executor& executor, const Batch& batch) {
  const Clock::time_point start = now_();
  executor.running_since = start;
  const Few<Execution> executions = RunUnlocked(executor, batch, start);
  executor.running_since.reset();
  for (const Execution& execution : executions) Record(execution);
  for (const RunQueue::Waiting& waiting : batch) {
    statistics_.queue.Add(start - waiting.since);
    (waiting.run->result.ok() ? statistics_.success : statistics_.fail).time += start - waiting.since;
  }
  ++answering_;
  CompleteUnlocked(RunsOf(batch));
  --answering_;
}

Few<Execution> ServedModel::RunUnlocked(Executor& executor, const Batch& batch, Clock::time_point start) {
  const MutexUnlock unlocked(mutex_);
  Few<Execution> executions = RunAll(runner_, executor.engine(), RunsOf(batch));
  for (const RunQueue::Waiting& waiting : batch) {
    if (waiting.run->result.ok()) waiting.run->result->queue_time = start - waiting.since;
  }
  return executions;
}

void ServedModel::CompleteUnlocked(const Few<ModelRun*>& runs) {
  const MutexUnlock unlocked(mutex_);
  for (ModelRun* const run : runs) run->Complete();
}

void ServedModel::Record(const Execution& execution) {
  const auto& [runs, rows, nbytes, input, infer, output] = execution;
  placement_.RecordRun(nbytes, input + infer + output);
  std::uint64_t ok = 0;
  for (const ModelRun* const run : runs) {
    if (!run->result.ok()) continue;
    ++ok;
    statistics_.CountSuccess(run->result->queue_time + input + infer + output);
  }
  statistics_.success.Add(input + infer + output, ok);
  statistics_.fail.Add(input + infer + output, runs.size() - ok);
  if (ok == 0) return;
  statistics_.inference_count += static_cast<std::uint64_t>(rows);
  ++statistics_.execution_count;
  statistics_.last_inference = std::chrono::system_clock::now();
  statistics_.compute_input.Add(input, ok);
  statistics_.compute_infer.Add(infer, ok);
  statistics_.compute_output.Add(output, ok);
  BatchStatistics& batch = statistics_.batches[rows];
  batch.compute_input.Add(input);
  batch.compute_infer.Add(infer);
  batch.compute_output.Add(output);
}

// Makes the watcher look at the queue, as a request with a timeout has come. If the system has no thread for the
// watcher, such requests are refused as late only when they are about to run.
void ServedModel::WatchForLate() {
  watch_.NotifyOne();
  if (watcher_.joinable()) return;
  try {
    watcher_ = std::thread([this] { WatcherLoop(); });
  } catch (const std::system_error&) {
    return;
  }
}

void ServedModel::WatcherLoop() {
  const MutexLock lock(mutex_);
  while (!ending_) {
    const auto next = queue_.next_late_at();
    if (!next) {
      watch_.Wait(mutex_);
    } else if (const Clock::time_point now = now_(); now >= *next) {
      CompleteEnded(now);
    } else {
      watch_.WaitUntil(mutex_, *next);
    }
  }
}

// Completes the requests whose callers have stopped waiting, and those that have waited for too long.
void ServedModel::CompleteEnded(Clock::time_point now) {
  const Few<ModelRun*> ended = queue_.RemoveEnded(now);
  if (ended.empty()) return;
  statistics_.fail.Add({}, ended.size());
  CompleteUnlocked(ended);
}

absl::Status ServedModel::OnEachExecutor(const std::function<absl::Status(Model&)>& work) {
  std::vector<std::future<absl::Status>> results;
  {
    const MutexLock lock(mutex_);
    for (Executor& executor : executors_.all()) {
      auto promise = std::make_shared<std::promise<absl::Status>>();
      results.push_back(promise->get_future());
      if (!executors_.Dispatch(executor,
                               [&executor, &work, promise] { promise->set_value(work(executor.engine())); })) {
        promise->set_value(MakeError(Reason::kModelNotReady, "the system has no thread for an executor"));
      }
    }
  }
  absl::Status first;
  for (std::future<absl::Status>& result : results) first.Update(result.get());
  return first;
}

ModelStatistics ServedModel::statistics() const {
  const MutexLock lock(mutex_);
  ModelStatistics statistics = statistics_;
  statistics.waiting = queue_.size();
  return statistics;
}

}  // namespace tensorferry::inference
