#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/model_info.h"

namespace tensorferry::inference {

struct NamedTensor {
  std::string name;
  at::Tensor tensor;
};

// Something that makes tensors of tensors.
// Threads: Run may be called on any number of threads at once.
class Model {
 public:
  virtual ~Model() = default;

  virtual const ModelInfo& info() const = 0;

  // `inputs` have distinct names, which fit info().inputs.
  // Errors: OPERATOR_UNSUPPORTED, MODEL_FAILED; nothing is thrown.
  virtual absl::StatusOr<std::vector<NamedTensor>> Run(std::vector<NamedTensor> inputs) = 0;
};

}  // namespace tensorferry::inference
