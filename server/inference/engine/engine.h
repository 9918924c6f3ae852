// From a file to a model: the engines.
#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/engine/model_file.h"
#include "inference/model_config.h"
#include "inference/tensor/model.h"

namespace tensorferry::inference {

struct EngineOptions {
  std::string name, version;  // What the model is called.
  at::Device device = at::kCPU;
  int runs_at_once = 1;  // At most: as many as there are executors.
};

// What runs a model on one device.
struct Engines {
  // One for each executor: the same, unless a run of one would leave a trace in another's.
  std::vector<std::shared_ptr<Model>> models;

  // Brings the models back to how the file has them, whatever runs have left in them. Not while one runs.
  // Errors: MEMORY_BUDGET; MODEL_NOT_READY, whatever torch says.
  std::function<absl::Status()> forget_runs = [] { return absl::OkStatus(); };
};

// Load a model file. Loading runs code that the file brings, and so does running it: trust its author.
//
// Files:  TorchScript (torch.jit.save), or a package of AOTInductor's (aoti_compile_and_package), told apart by their
//         content.
// Errors: MODEL_NOT_READY, with what is wrong with the file, and what to do; it names no path.
absl::StatusOr<Engines> LoadEngines(const ModelFile& file, const ModelConfig& config, const EngineOptions& options);

}  // namespace tensorferry::inference
