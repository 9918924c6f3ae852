// From a file to a model: the engines.
#pragma once

#include <c10/core/Device.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "inference/engine/model_file.h"
#include "inference/model_config.h"
#include "inference/tensor/model.h"

namespace tensorferry::inference {

struct EngineOptions {
  std::string name, version;  // Of the model.
  at::Device device = at::kCPU;
  int runs_at_once = 1;  // At most.
};

// Load a model file. Loading runs code that the file brings, and so does running it: trust its author.
//
// Files:  TorchScript (torch.jit.save), or a package of AOTInductor's (aoti_compile_and_package), told apart by their
//         content.
// Errors: MODEL_NOT_READY, with what is wrong with the file, and what to do; it names no path.
absl::StatusOr<std::shared_ptr<Model>> LoadEngine(const ModelFile& file, const ModelConfig& config,
                                                  const EngineOptions& options);

}  // namespace tensorferry::inference
