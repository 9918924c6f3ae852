#include "inference/serving/served_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <future>
#include <system_error>
#include <utility>

#include "base/status.h"
#include "inference/serving/input_check.h"

namespace tensorferry::inference {
namespace {

// `runs` are told of their results; the lock is free meanwhile.
void Complete(const Few<ModelRun*>& runs, std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  for (ModelRun* const run : runs) run->Complete();
  lock.lock();
}

// Whatever is thrown, the runs have results.
Few<Execution> RunAll(const BatchRunner& runner, Model& engine, const Few<ModelRun*>& runs) {
  try {
    return runner.Run(engine, runs);
  } catch (const std::exception& error) {
    const absl::Status status = MakeError(Reason::kInternal, "internal error", {.log_text = error.what()});
    for (ModelRun* const run : runs) run->result = status;
    return {};
  }
}

std::uint64_t BytesOfAll(const Few<RunQueue::Waiting>& batch) {
  std::uint64_t nbytes = 0;
  for (const RunQueue::Waiting& waiting : batch) nbytes += BytesOf(*waiting.run);
  return nbytes;
}

// Strings of several requests are never put together.
bool HasStrings(const ModelInfo& model) {
  const auto is_strings = [](const TensorSpec& spec) { return spec.dtype == kStrings; };
  return std::ranges::any_of(model.inputs, is_strings) || std::ranges::any_of(model.outputs, is_strings);
}

std::chrono::milliseconds Milliseconds(std::chrono::nanoseconds time) {
  return std::chrono::ceil<std::chrono::milliseconds>(time);
}

}  // namespace

ServedModel::ServedModel(ModelInfo info, std::vector<std::shared_ptr<Model>> engines, const Options& options,
                         BufferPool& pool)
    : info_(std::move(info)),
      config_(options.config),
      batches_(config_.batching.has_value() && info_.max_batch_size > 1 && !HasStrings(info_)),
      waits_(batches_ && config_.batching->max_queue_delay.count() > 0),
      trivial_(engines.front()->is_trivial()),
      runner_(options.runner, pool),
      queue_(config_.batching, batches_ ? info_.max_batch_size : 1) {
  for (std::shared_ptr<Model>& engine : engines) idle_.push_back(&executors_.emplace_back(std::move(engine)));
}

ServedModel::~ServedModel() {
  {
    const Lock lock(mutex_);
    ending_ = true;
    for (Executor& executor : executors_) executor.wake.notify_one();
    watch_.notify_one();
  }
  if (watcher_.joinable()) watcher_.join();
  for (Executor& executor : executors_) {
    if (executor.thread.joinable()) executor.thread.join();
  }
}

absl::Status ServedModel::Check(std::span<const InputDeclaration> inputs,
                                std::span<const std::string> requested_outputs) const {
  TENSORFERRY_RETURN_IF_ERROR(CheckInputs(info_, inputs));
  return CheckOutputs(info_, requested_outputs);
}

ModelVersion::Submitted ServedModel::Submit(ModelRun& run) {
  const Clock::time_point now = Clock::now();
  Lock lock(mutex_);
  if (absl::Status status = Queue(run, now); !status.ok()) {
    statistics_.fail.Add({});
    lock.unlock();
    run.result = InModel(info_.name, status);
    run.Complete();
    return Submitted::kTaken;
  }
  if (awaiting_more_ > 0) more_.notify_all();
  NoteCompany();
  // Who is about to look at the queue, or busy, takes it afterwards.
  if (awaiting_more_ > 0 || !at_leisure_.empty() || idle_.empty()) {
    if (queue_.next_late_at()) WatchForLate();
    return Submitted::kTaken;
  }
  Executor& executor = *idle_.back();
  idle_.pop_back();
  const bool here = RunsHere(BytesOf(run), now);
  if (here && batches_ && !in_batch_.IsUnlikely()) {
    at_leisure_.push_back(&executor);
    return Submitted::kRunAtLeisure;
  }
  if (here || !Hand(executor, [this, &executor] { ServeOn(executor); })) Serve(executor, lock);
  return Submitted::kTaken;
}

// Of a request that was queued just now. A caller who sends the next one while an answer is on its way is no company.
void ServedModel::NoteCompany() {
  const std::size_t running = executors_.size() - idle_.size() - answering_;
  const std::size_t requests = queue_.size() + running;
  if (requests > 1 || answering_ == 0) meanwhile_.Record(requests);
}

// Of requests that run together one run at a time keeps the thread busy, and of others too where they come alone.
bool ServedModel::RunsHere(std::uint64_t nbytes, Clock::time_point now) {
  if (trivial_) return true;
  if (waits_ || !run_time_.IsShort(nbytes) || IsSlowJustNow(now)) return false;
  return batches_ || run_time_.IsVeryShort(nbytes) || meanwhile_.IsUnlikely();
}

// Whatever it was before: a run that is not over yet has taken long already.
bool ServedModel::IsSlowJustNow(Clock::time_point now) const {
  return idle_.size() < executors_.size() && std::ranges::any_of(executors_, [&](const Executor& executor) {
           return executor.running_since && now - *executor.running_since > RunTime::kLong;
         });
}

absl::Status ServedModel::Queue(ModelRun& run, Clock::time_point now) {
  const std::chrono::nanoseconds wait = ExpectedWait();
  if (wait.count() > 0 && run.deadline != Clock::time_point::max() && run.deadline - now < wait) {
    return MakeError(Reason::kDeadline,
                     fmt::format("the request would wait for about {} ms, longer than its deadline allows",
                                 Milliseconds(wait).count()));
  }
  return queue_.Push(run, now, Milliseconds(wait + run_time_.expected()));
}

// Until a request that comes now is taken: those ahead, as full batches, shared among the executors.
std::chrono::nanoseconds ServedModel::ExpectedWait() const {
  const std::int64_t batch = batches_ ? info_.max_batch_size : 1;
  const std::int64_t ahead = queue_.rows() / batch;
  return run_time_.expected() * ahead / static_cast<std::int64_t>(executors_.size());
}

bool ServedModel::RunQueued() {
  Lock lock(mutex_);
  if (at_leisure_.empty()) return false;
  Executor& executor = *at_leisure_.back();
  at_leisure_.pop_back();
  const Clock::time_point now = Clock::now();
  EndThoseGivenUp(now, lock);
  const Batch batch = queue_.Take(now);
  in_batch_.Record(batch.size());
  if (!batch.empty() && !RunsHere(BytesOfAll(batch), now) && HandBatch(executor, batch)) return false;
  if (!batch.empty()) Execute(executor, batch, lock);
  const bool more = queue_.size() > 0;
  (more ? at_leisure_ : idle_).push_back(&executor);
  return more;
}

// Under the lock. False: the system has no thread for it.
bool ServedModel::Hand(Executor& executor, std::function<void()> job) {
  executor.job = std::move(job);
  if (executor.thread.joinable()) {
    executor.wake.notify_one();
    return true;
  }
  try {
    executor.thread = std::thread([this, &executor] { Live(executor); });
  } catch (const std::system_error&) {
    executor.job = nullptr;
    return false;
  }
  return true;
}

bool ServedModel::HandBatch(Executor& executor, const Batch& batch) {
  return Hand(executor, [this, &executor, batch] {
    Lock lock(mutex_);
    Execute(executor, batch, lock);
    Serve(executor, lock);
  });
}

void ServedModel::Live(Executor& executor) {
  for (Lock lock(mutex_);;) {
    executor.wake.wait(lock, [&] { return executor.job || ending_; });
    if (!executor.job) return;
    const std::function<void()> job = std::exchange(executor.job, nullptr);
    lock.unlock();
    job();
    lock.lock();
  }
}

void ServedModel::ServeOn(Executor& executor) {
  Lock lock(mutex_);
  Serve(executor, lock);
}

// Runs what is queued until nothing is; the executor is idle then.
void ServedModel::Serve(Executor& executor, Lock& lock) {
  while (queue_.size() > 0) {
    const Clock::time_point now = Clock::now();
    EndThoseGivenUp(now, lock);
    if (const Batch batch = queue_.Take(now); !batch.empty()) {
      Execute(executor, batch, lock);
    } else if (const auto ready_at = queue_.ready_at()) {
      AwaitMore(std::min(*ready_at, queue_.next_late_at().value_or(*ready_at)), lock);
    }
  }
  idle_.push_back(&executor);
}

void ServedModel::AwaitMore(Clock::time_point until, Lock& lock) {
  ++awaiting_more_;
  more_.wait_until(lock, until);
  --awaiting_more_;
}

// Under the lock.
void ServedModel::WatchForLate() {
  watch_.notify_one();
  if (watcher_.joinable()) return;
  try {
    watcher_ = std::thread([this] {
      for (Lock lock(mutex_); !ending_;) {
        const auto next = queue_.next_late_at();
        if (!next) {
          watch_.wait(lock);
        } else if (Clock::now() >= *next) {
          EndThoseGivenUp(Clock::now(), lock);
        } else {
          watch_.wait_until(lock, *next);
        }
      }
    });
  } catch (const std::system_error&) {
    return;  // They learn of it when they are to be run.
  }
}

void ServedModel::EndThoseGivenUp(Clock::time_point now, Lock& lock) {
  const Few<ModelRun*> ended = queue_.RemoveEnded(now);
  if (ended.empty()) return;
  statistics_.fail.Add({}, ended.size());
  Complete(ended, lock);
}

void ServedModel::Execute(Executor& executor, const Batch& batch, Lock& lock) {
  Few<ModelRun*> runs;
  for (const RunQueue::Waiting& waiting : batch) runs.push_back(waiting.run);
  const Clock::time_point start = Clock::now();
  executor.running_since = start;
  lock.unlock();
  const Few<Execution> executions = RunAll(runner_, *executor.engine, runs);
  for (const RunQueue::Waiting& waiting : batch) {
    if (waiting.run->result.ok()) waiting.run->result->queue_time = start - waiting.since;
  }
  lock.lock();
  executor.running_since.reset();
  for (const Execution& execution : executions) Record(execution);
  for (const RunQueue::Waiting& waiting : batch) {
    statistics_.queue.Add(start - waiting.since);
    (waiting.run->result.ok() ? statistics_.success : statistics_.fail).time += start - waiting.since;
  }
  ++answering_;
  Complete(runs, lock);
  --answering_;
}

void ServedModel::Record(const Execution& execution) {
  const auto& [runs, rows, nbytes, input, infer, output] = execution;
  run_time_.Record(nbytes, input + infer + output);
  const auto ok =
      static_cast<std::uint64_t>(std::ranges::count_if(runs, [](const ModelRun* run) { return run->result.ok(); }));
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

absl::Status ServedModel::OnEachExecutor(const std::function<absl::Status(Model&)>& work) {
  std::vector<std::future<absl::Status>> results;
  {
    const Lock lock(mutex_);
    for (Executor& executor : executors_) {
      auto promise = std::make_shared<std::promise<absl::Status>>();
      results.push_back(promise->get_future());
      if (!Hand(executor, [&executor, &work, promise] { promise->set_value(work(*executor.engine)); })) {
        promise->set_value(MakeError(Reason::kModelNotReady, "the system has no thread for an executor"));
      }
    }
  }
  absl::Status first;
  for (std::future<absl::Status>& result : results) first.Update(result.get());
  return first;
}

ModelStatistics ServedModel::statistics() const {
  const Lock lock(mutex_);
  return statistics_;
}

}  // namespace tensorferry::inference
