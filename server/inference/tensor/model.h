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
  // The shape of the strings, if this is an array of strings: torch has no tensor for them. `tensor` then holds their
  // raw form as uint8 (payload/strings.h).
  std::optional<Shape> strings{};
};

// A Model computes tensors from tensors. It is a loaded file, or built in.
// Threads: Run may be called on any number of threads at once.
class Model {
 public:
  virtual ~Model() = default;

  // Returns the platform, inputs and outputs, as far as the file and its configuration tell them.
  virtual const ModelInfo& info() const = 0;

  // Returns the device on which inputs must be, and outputs are.
  virtual at::Device device() const { return at::kCPU; }

  // Returns whether a run takes no time to speak of, whatever the inputs.
  virtual bool is_trivial() const { return false; }

  // Returns whether a run would have to wait at present for something that may take long, such as a new process.
  virtual bool may_wait() const { return false; }

  // Returns why the model cannot run at present, although it is loaded. Nothing: it can.
  virtual std::optional<std::string> unavailable() const { return std::nullopt; }

  // Runs the model. The inputs have distinct names, fit info().inputs, and are on device().
  // Errors: OPERATOR_UNSUPPORTED, MODEL_FAILED, MODEL_NOT_READY, MEMORY_BUDGET, INPUT_MISMATCH. Nothing is thrown.
  virtual absl::StatusOr<std::vector<NamedTensor>> Run(std::vector<NamedTensor> inputs) = 0;
};

}  // namespace tensorferry::inference
