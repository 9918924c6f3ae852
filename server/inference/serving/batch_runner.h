#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/buffer_pool.h"
#include "base/few.h"
#include "inference/model_run.h"
#include "inference/tensor/model.h"

namespace tensorferry::inference {

// One run of a model, and whose requests it was.
struct Execution {
  Few<ModelRun*> runs;
  std::int64_t rows = 1;                       // Of the batch; of a model without batches 1.
  std::uint64_t nbytes = 0;                    // Of the inputs.
  std::chrono::nanoseconds compute_input{0};   // Elements to tensors.
  std::chrono::nanoseconds compute_infer{0};   // The model.
  std::chrono::nanoseconds compute_output{0};  // Tensors to results.
};

struct RunnerOptions {
  bool batches = false;  // The first dimension of every input and output is that of the batch.
  std::uint64_t max_tensor_bytes = 0;
  int intra_op_threads = 1;
};

// Runs a model on requests: one, or several as the rows of one batch.
// Threads: any.
class BatchRunner {
 public:
  // Borrows `pool`.
  BatchRunner(const RunnerOptions& options, BufferPool& pool) : options_(options), pool_(pool) {}

  // Run `model` on requests whose inputs fit together. Their results are set, whatever they are, but none is completed.
  // Where several fail together each is run alone: what is the fault of one costs the others nothing.
  Few<Execution> Run(Model& model, Few<ModelRun*> runs) const;

 private:
  absl::Status RunOnce(Model& model, Execution& execution) const;
  void RunEach(Model& model, const Few<ModelRun*>& runs, Few<Execution>& executions) const;
  absl::Status GiveOutputs(const Model& model, const std::vector<NamedTensor>& outputs, Execution& execution) const;
  void LimitThreads() const;

  const RunnerOptions options_;
  BufferPool& pool_;
};

}  // namespace tensorferry::inference
