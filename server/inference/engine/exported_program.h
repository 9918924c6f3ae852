#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <c10/core/Device.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/engine/exported_archive.h"
#include "inference/engine/exported_block.h"
#include "inference/engine/exported_run.h"
#include "inference/engine/exported_shapes.h"
#include "inference/engine/mapped_file.h"

namespace tensorferry::inference {

// ExportedProgram is a program of an archive, ready to run: an interpreter goes through its operators, and torch runs
// each of them as it does for PyTorch in Python.
//
// State:   no run changes it. What a program writes to among its parameters, buffers and constants is copied for each
//          run, and what becomes of the copy is forgotten with the run.
// Threads: any number of runs at once.
class ExportedProgram {
 public:
  // Reads the program and its weights. Errors: MODEL_NOT_READY, MEMORY_BUDGET.
  static absl::StatusOr<ExportedProgram> Load(ExportedArchive& archive, at::Device device);

  // Returns the names of the leaves of the call's arguments, in their order. Empty: the leaf is fixed.
  const std::vector<std::string>& inputs() const { return inputs_; }

  // Returns whether each leaf of the result is a tensor or a number, as opposed to None or a text.
  const std::vector<bool>& outputs() const { return outputs_; }

  const ExportedShapes& shapes() const { return *shapes_; }

  // Returns the call's pytrees (call_spec.h).
  const std::string& in_spec() const { return in_spec_; }
  const std::string& out_spec() const { return out_spec_; }

  // Runs the program, in the thread's modes. There is a tensor for each input; those of fixed leaves are not looked at.
  // Returns the leaves of the result; a number is a tensor without dimensions, and what is no tensor is undefined.
  // Errors: OPERATOR_UNSUPPORTED, MODEL_FAILED, INPUT_MISMATCH, MEMORY_BUDGET.
  absl::StatusOr<std::vector<at::Tensor>> Run(std::vector<at::Tensor> inputs) const;

 private:
  // Place says where an input of the graph comes from.
  struct Place {
    std::size_t leaf;
    bool is_number;
  };

  // Copied is memory of which each run gets a copy, and the weights that lie in it.
  struct Copied {
    at::Tensor bytes;
    std::vector<std::pair<Slot, at::Tensor>> weights;
  };

  ExportedProgram() = default;

  absl::Status AddInputs(const ExportedFile& file);
  absl::Status AddWeights(const ExportedFile& file, ExportedArchive& archive);
  void AddOutputs(const ExportedFile& file);
  void Bind(const std::vector<std::pair<Slot, at::Tensor>>& weights);
  std::vector<c10::IValue> GraphInputs(std::vector<at::Tensor> inputs) const;

  std::vector<std::string> inputs_;
  std::vector<bool> outputs_;
  std::string in_spec_, out_spec_;
  std::optional<ExportedShapes> shapes_;
  Block block_;
  std::vector<std::pair<Slot, Place>> places_;
  std::vector<Copied> copied_;
  at::Device device_ = at::kCPU;
  KeptMemory kept_;
  std::shared_ptr<MappedFile> mapping_;
};

}  // namespace tensorferry::inference
