#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/model_info.h"
#include "payload/shape.h"

namespace tensorferry::inference {

struct NamedTensor {
  std::string name;
  at::Tensor tensor;
  // Set if these are strings, for which torch has no tensor: their shape. `tensor` then holds their raw form as uint8
  // (payload/strings.h).
  std::optional<Shape> strings{};
};

// A Model makes tensors of tensors: it is a loaded file, or built in.
// Threads: Run may be called on any number of threads at once.
class Model {
 public:
  virtual ~Model() = default;

  // Platform, inputs and outputs, as far as the file and its configuration tell.
  virtual const ModelInfo& info() const = 0;

  // The device on which its inputs must be, and its outputs are.
  virtual at::Device device() const { return at::kCPU; }

  // Whether a run takes no time to speak of, whatever the inputs.
  virtual bool is_trivial() const { return false; }

  // `inputs` have distinct names, which fit info().inputs, and are on device().
  // Errors: OPERATOR_UNSUPPORTED, MODEL_FAILED, MEMORY_BUDGET, INPUT_MISMATCH; nothing is thrown.
  virtual absl::StatusOr<std::vector<NamedTensor>> Run(std::vector<NamedTensor> inputs) = 0;
};

}  // namespace tensorferry::inference
