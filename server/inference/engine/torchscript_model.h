#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "inference/engine/engine.h"

namespace tensorferry::inference {

// Load a TorchScript file (torch.jit.save).
//
// Bits:    run as saved, in evaluation mode; frozen, which changes results, only if the parameter FREEZE asks for it.
// Errors:  those of LoadEngine.
absl::StatusOr<std::shared_ptr<Model>> LoadTorchScript(const ModelFile& file, const ModelConfig& config,
                                                       const EngineOptions& options);

}  // namespace tensorferry::inference
