#pragma once

#include <c10/core/Storage.h>

#include <cstdint>

#include "base/buffer_pool.h"
#include "base/few.h"
#include "inference/model_run.h"
#include "inference/result.h"
#include "inference/tensor/model.h"

namespace tensorferry::inference {

// CountedOutputs has the memory budget hold what the outputs of one run take, until they are sent. A model takes memory
// without asking the budget; but a caller who does not read would keep what he was given.
class CountedOutputs {
 public:
  // Notes that `result`, which was read from `output`, keeps the memory in which `output` lies, unless it is a copy.
  void Note(const NamedTensor& output, const TensorResult& result);

  // Returns whether all that was noted is too little to be counted.
  bool few() const;

  // Counts what was noted for the callers of `runs`, whose results are set, each by his rows. It is given back when the
  // last element of the last result is let go, since all of them share the memory. A run whose part is refused gets the
  // refusal as its result.
  void CountFor(const Few<ModelRun*>& runs, bool batches, BufferPool& pool);

 private:
  std::uint64_t noted_ = 0;            // In bytes; memory that several outputs share counts for each.
  Few<const c10::StorageImpl*> kept_;  // The memory that was noted.
};

}  // namespace tensorferry::inference
