#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/buffer_pool.h"
#include "base/few.h"
#include "inference/model_run.h"
#include "inference/tensor/conversion.h"
#include "inference/tensor/model.h"

namespace tensorferry::inference {

// An Execution is one run of a model, with the requests for which it ran.
struct Execution {
  Few<ModelRun*> runs;
  std::int64_t rows = 1;                       // The rows of the batch; 1 if the model has no batches.
  std::uint64_t nbytes = 0;                    // The bytes of the inputs.
  std::chrono::nanoseconds compute_input{0};   // The time from elements to tensors.
  std::chrono::nanoseconds compute_infer{0};   // The time of the model.
  std::chrono::nanoseconds compute_output{0};  // The time from tensors to results.
};

using ReadClock = Clock::time_point (*)();

struct RunnerOptions {
  bool batches = false;  // The first dimension of every input and output is that of the batch.
  std::uint64_t max_tensor_bytes = 0;
  int intra_op_threads = 1;
  // Reads the time before and after a run. Tests set a clock of their own.
  ReadClock now = [] { return Clock::now(); };
};

// BatchRunner runs a model on requests: one, or several as the rows of one batch.
// Threads: any.
class BatchRunner {
 public:
  // Borrows `pool`.
  BatchRunner(const RunnerOptions& options, BufferPool& pool) : options_(options), pool_(pool) {}

  // Runs `model` on requests whose inputs fit together, and sets their results, but completes none of the requests. A
  // result holds the values at the end of its run: nothing that the model does later changes them. If several requests
  // fail together, each is run alone, so that the fault of one request does not harm the others.
  Few<Execution> Run(Model& model, Few<ModelRun*> runs) const;

 private:
  absl::Status RunOnce(Model& model, Execution& execution) const;
  void RunEach(Model& model, const Few<ModelRun*>& runs, Few<Execution>& executions) const;
  absl::Status AddOutputs(const ModelInfo& model, const std::vector<NamedTensor>& outputs,
                          const Execution& execution) const;
  ResultLimits LimitsFor(const ModelRun& run) const { return {options_.max_tensor_bytes, {pool_, run.peer()}}; }

  const RunnerOptions options_;
  BufferPool& pool_;
};

}  // namespace tensorferry::inference
