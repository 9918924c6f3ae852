// Models whose code runs in worker processes: a crash there costs the request that ran, and no other.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/engine/engine.h"
#include "inference/engine/model_file.h"
#include "inference/model_config.h"

namespace tensorferry::inference {

struct IsolationOptions {
  // The program that calls RunWorker: its file, then its arguments from argv[0] on.
  std::vector<std::string> command;
  int intra_op_threads = 1;
  // Called on any thread when the model has become available or unavailable. It takes no locks that are held while the
  // engines are used.
  std::function<void()> on_change = [] {};
};

// Loads a model file as LoadEngines does, but in worker processes: each executor gets an engine with a process of its
// own. Only tensors come from there, in shared memory.
// Errors: those of LoadEngines, and MODEL_NOT_READY if a process ends while it loads, or for a device other than the
//         CPU.
absl::StatusOr<Engines> LoadIsolated(const ModelFile& file, const ModelConfig& config, const EngineOptions& options,
                                     const IsolationOptions& isolation);

}  // namespace tensorferry::inference
