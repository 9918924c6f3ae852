#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "inference/model_config.h"
#include "inference/model_statistics.h"
#include "inference/model_version.h"
#include "inference/serving/batch_runner.h"
#include "inference/serving/company.h"
#include "inference/serving/run_queue.h"
#include "inference/serving/run_time.h"
#include "inference/tensor/model.h"

namespace tensorferry::inference {

// A loaded model, the requests that wait for it, and those who run it.
//
// Whoever finds an executor idle takes what is queued. Models whose runs are short run on the thread that submits: at
// once, or where requests may run together as soon as that thread has nothing else to do. Others run on threads of
// their own, one for each executor, so that no model waits for another.
//
// Lifetime: destroyed when no run is queued, and not by a thread of its own.
class ServedModel final : public ModelVersion {
 public:
  struct Options {
    RunnerOptions runner;
    ModelConfig config;  // Its `batching`: nothing: requests run one by one, without policies.
  };

  // `engines`: one for each executor, which may be the same.
  ServedModel(ModelInfo info, std::vector<std::shared_ptr<Model>> engines, const Options& options, BufferPool& pool);
  ServedModel(const ServedModel&) = delete;
  ServedModel& operator=(const ServedModel&) = delete;
  ~ServedModel() override;

  const ModelInfo& info() const override { return info_; }
  const ModelConfig& config() const override { return config_; }
  bool batches() const override { return batches_; }
  bool passes_on() const override { return trivial_; }
  absl::Status Check(std::span<const InputDeclaration> inputs,
                     std::span<const std::string> requested_outputs) const override;
  Submitted Submit(ModelRun& run) override;
  bool RunQueued() override;

  // Call `work` with the engine of each executor, on the executor's own thread, all at once. Before the first Submit.
  // Errors: the first that `work` returned.
  absl::Status OnEachExecutor(const std::function<absl::Status(Model&)>& work);

  ModelStatistics statistics() const override;

 private:
  using Batch = Few<RunQueue::Waiting>;
  using Lock = std::unique_lock<std::mutex>;

  struct Executor {
    explicit Executor(std::shared_ptr<Model> the_engine) : engine(std::move(the_engine)) {}
    const std::shared_ptr<Model> engine;
    std::thread thread;  // Started when it is first needed.
    std::condition_variable wake;
    std::function<void()> job;  // For the thread to do.
    std::optional<Clock::time_point> running_since;
  };

  absl::Status Queue(ModelRun& run, Clock::time_point now);
  bool RunsHere(std::uint64_t nbytes, Clock::time_point now);
  bool IsSlowJustNow(Clock::time_point now) const;
  void NoteCompany();
  [[nodiscard]] bool Hand(Executor& executor, std::function<void()> job);
  [[nodiscard]] bool HandBatch(Executor& executor, const Batch& batch);
  void Live(Executor& executor);
  void Serve(Executor& executor, Lock& lock);
  void ServeOn(Executor& executor);
  void WatchForLate();
  void EndThoseGivenUp(Clock::time_point now, Lock& lock);
  void AwaitMore(Clock::time_point until, Lock& lock);
  void Execute(Executor& executor, const Batch& batch, Lock& lock);
  void Record(const Execution& execution);
  std::chrono::nanoseconds ExpectedWait() const;

  const ModelInfo info_;
  const ModelConfig config_;
  const bool batches_;
  const bool waits_;    // For more requests, as long as the configuration says.
  const bool trivial_;  // Its runs are always short.
  const BatchRunner runner_;

  mutable std::mutex mutex_;  // Guards what follows.
  RunQueue queue_;
  RunTime run_time_;
  Company in_batch_;   // Of a request that waits for its thread's leisure.
  Company meanwhile_;  // Of one whose run takes longer.
  ModelStatistics statistics_;
  std::deque<Executor> executors_;
  std::vector<Executor*> idle_;
  std::vector<Executor*> at_leisure_;  // For those who were told to call RunQueued.
  std::size_t answering_ = 0;          // Executors whose run is over.
  int awaiting_more_ = 0;              // Executors that wait for a fuller batch.
  std::condition_variable more_;
  std::condition_variable watch_;  // For who waits for too long, while the executors are busy.
  std::thread watcher_;            // Started when a request comes that may not wait for ever.
  bool ending_ = false;
};

}  // namespace tensorferry::inference
