// Engines: they are made from a file, and run a model.
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
  std::string name, version;  // The name and version under which callers know the model.
  at::Device device = at::kCPU;
  int runs_at_once = 1;  // The most runs at once: the number of executors.
};

// Engines run a model on one device.
struct Engines {
  // One for each executor. They are one and the same object, unless a run would leave a trace that another run sees.
  std::vector<std::shared_ptr<Model>> models;

  // Resets the models to the state that they have in the file, whatever runs have changed. No run may be going on.
  // Errors: MEMORY_BUDGET; MODEL_NOT_READY for any other error of torch's.
  std::function<absl::Status()> forget_runs = [] { return absl::OkStatus(); };
};

// Loads a model file. Loading and running execute code from the file: trust its author.
//
// Files:  TorchScript (torch.jit.save), a package of AOTInductor's (aoti_compile_and_package), or an exported program
//         (torch.export.save); the content tells which.
// Errors: MODEL_NOT_READY, with what is wrong with the file, and what to do. The message names no path.
absl::StatusOr<Engines> LoadEngines(const ModelFile& file, const ModelConfig& config, const EngineOptions& options);

}  // namespace tensorferry::inference
