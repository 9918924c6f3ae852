#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "base/few.h"
#include "inference/tensor/model.h"

namespace tensorferry::inference {

// The memory of a run's outputs that somebody beside this run may still write to: a model keeps buffers, parameters,
// attributes and constants, and may have kept what it was given. A result must copy such outputs before the next run
// begins. It may share memory that the run alone refers to, its inputs' too.
class RetainedMemory {
 public:
  // Call it right after the run, when `outputs` are the only tensors that the run has left and nobody has taken views
  // of them yet: it counts who else refers to their memory.
  explicit RetainedMemory(const std::vector<NamedTensor>& outputs);

  // Says whether the tensor, an output or a view of one, lies in such memory.
  bool Holds(const at::Tensor& tensor) const;

 private:
  Few<const c10::StorageImpl*> storages_;
};

}  // namespace tensorferry::inference
