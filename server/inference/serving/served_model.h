#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/thread_annotations.h"
#include "inference/model_config.h"
#include "inference/model_statistics.h"
#include "inference/model_version.h"
#include "inference/serving/batch_runner.h"
#include "inference/serving/executors.h"
#include "inference/serving/placement.h"
#include "inference/serving/run_queue.h"
#include "inference/tensor/model.h"

namespace tensorferry::inference {

// ServedModel is a loaded model with the requests that wait for it, its executors and its statistics.
//
// The thread that finds an executor idle takes what is queued. Placement says which thread that is: the thread that
// submits, at once or when it is idle, or the executor's own, so that no model waits for another.
//
// Threads:  any.
// Lifetime: destroyed when no run is queued, and not by a thread of its own.
class ServedModel final : public ModelVersion {
 public:
  struct Options {
    RunnerOptions runner;
    ModelConfig config;  // If its `batching` is nothing, requests run one by one, without policies.
    std::chrono::milliseconds keep_threads =
        std::chrono::seconds(30);  // Threads of executors end when idle for so long.
  };

  // `engines` has one engine for each executor; several may be the same object.
  ServedModel(ModelInfo info, std::vector<std::shared_ptr<Model>> engines, const Options& options, BufferPool& pool);
  ServedModel(const ServedModel&) = delete;
  ServedModel& operator=(const ServedModel&) = delete;
  ~ServedModel() override;

  const ModelInfo& info() const override { return info_; }
  const ModelConfig& config() const override { return config_; }
  bool batches() const override { return traits_.batches; }
  bool passes_on() const override { return traits_.trivial; }

  // Returns why no request can run at present: an executor's engine is unavailable. Nothing: they can.
  std::optional<std::string> unavailable() const;

  absl::Status Check(std::span<const InputDeclaration> inputs,
                     std::span<const std::string> requested_outputs) const override;
  Submitted Submit(ModelRun& run) override;
  bool RunQueued() override;

  // Calls `work` with the engine of each executor, on the executors' own threads, all at once, and waits for them. No
  // request may wait or run meanwhile.
  // Errors: the first that `work` returned.
  absl::Status OnEachExecutor(const std::function<absl::Status(Model&)>& work);

  ModelStatistics statistics() const override;

 private:
  using Batch = Few<RunQueue::Waiting>;

  absl::Status Queue(ModelRun& run, Clock::time_point now) TENSORFERRY_REQUIRES(mutex_);
  std::chrono::nanoseconds ExpectedWait() const TENSORFERRY_REQUIRES(mutex_);
  Submitted PlaceQueued(const ModelRun& run, Clock::time_point now) TENSORFERRY_REQUIRES(mutex_);
  void RecordArrival() TENSORFERRY_REQUIRES(mutex_);
  bool HasTaker() const TENSORFERRY_REQUIRES(mutex_);
  // Sets state.oldest_start.
  Placement::Where Decide(std::uint64_t nbytes, Clock::time_point now, Placement::State state)
      TENSORFERRY_REQUIRES(mutex_);

  void Serve(Executor& executor) TENSORFERRY_REQUIRES(mutex_);
  void AwaitMore(Clock::time_point until) TENSORFERRY_REQUIRES(mutex_);
  bool DispatchQueued(Executor& executor) TENSORFERRY_REQUIRES(mutex_);
  bool DispatchBatch(Executor& executor, const Batch& batch) TENSORFERRY_REQUIRES(mutex_);
  void Execute(Executor& executor, const Batch& batch) TENSORFERRY_REQUIRES(mutex_);
  Few<Execution> RunUnlocked(Executor& executor, const Batch& batch, Clock::time_point start)
      TENSORFERRY_REQUIRES(mutex_);
  void CompleteUnlocked(const Few<ModelRun*>& runs) TENSORFERRY_REQUIRES(mutex_);
  void Record(const Execution& execution) TENSORFERRY_REQUIRES(mutex_);

  void WatchForLate() TENSORFERRY_REQUIRES(mutex_);
  void WatcherLoop() TENSORFERRY_EXCLUDES(mutex_);
  void CompleteEnded(Clock::time_point now) TENSORFERRY_REQUIRES(mutex_);

  const ModelInfo info_;
  const ModelConfig config_;
  const Placement::Traits traits_;
  const std::vector<std::shared_ptr<Model>> engines_;  // Those of the executors, each once.
  const ReadClock now_;
  const BatchRunner runner_;

  mutable Mutex mutex_;
  RunQueue queue_ TENSORFERRY_GUARDED_BY(mutex_);
  Placement placement_ TENSORFERRY_GUARDED_BY(mutex_);
  ModelStatistics statistics_ TENSORFERRY_GUARDED_BY(mutex_);
  // Reserved for threads that were told kRunWhenIdle.
  std::vector<Executor*> idle_reserved_ TENSORFERRY_GUARDED_BY(mutex_);
  // Executors whose run is over, but whose callers are still told.
  std::size_t answering_ TENSORFERRY_GUARDED_BY(mutex_) = 0;
  int awaiting_more_ TENSORFERRY_GUARDED_BY(mutex_) = 0;  // Executors that wait for a fuller batch.
  bool ending_ TENSORFERRY_GUARDED_BY(mutex_) = false;
  ConditionVariable more_;   // Wakes executors that wait for a fuller batch.
  ConditionVariable watch_;  // Wakes `watcher_`.
  // Ends the wait of requests with a timeout while the executors are busy. Started when the first of them comes.
  std::thread watcher_ TENSORFERRY_GUARDED_BY(mutex_);
  Executors executors_ TENSORFERRY_GUARDED_BY(mutex_);  // The last member: its threads use the others until they end.
};

}  // namespace tensorferry::inference
