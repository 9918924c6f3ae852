#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "base/few.h"
#include "inference/tensor/model.h"

namespace tensorferry::inference {

// RetainedMemory is the memory of a run's outputs to which something other than this run may still write: a model keeps
// buffers, parameters, attributes and constants, and may have kept its inputs. A result must copy such outputs before
// the next run begins. It may share memory to which only the run refers, that of its inputs included.
class RetainedMemory {
 public:
  // Call it right after the run, when the run has left no tensors but `outputs`, and before views of them are taken: it
  // counts the other references to their memory.
  explicit RetainedMemory(const std::vector<NamedTensor>& outputs);

  // Returns whether the tensor, an output or a view of an output, lies in such memory.
  bool Holds(const at::Tensor& tensor) const;

 private:
  Few<const c10::StorageImpl*> storages_;
};

}  // namespace tensorferry::inference
