#pragma once

#include "absl/status/statusor.h"
#include "inference/engine/engine.h"

namespace tensorferry::inference {

// Load a TorchScript file (torch.jit.save).
//
// Bits:    run as saved, in evaluation mode; frozen, which changes results, only if the parameter FREEZE asks for it.
// State:   a module that its runs change is one for each executor, unless ENABLE_WEIGHT_SHARING asks for one in all.
// Errors:  those of LoadEngines.
absl::StatusOr<Engines> LoadTorchScript(const ModelFile& file, const ModelConfig& config, const EngineOptions& options);

}  // namespace tensorferry::inference
