#pragma once

#include "absl/status/statusor.h"
#include "inference/engine/engine.h"

namespace tensorferry::inference {

// Loads a TorchScript file (torch.jit.save).
//
// Bits:    the model runs as it was saved, in the mode in which it was saved: evaluation, or training, which the log
//          says. It is frozen, which changes results, only if the parameter FREEZE asks for it.
// State:   if runs change the module, each executor has its own copy, unless ENABLE_WEIGHT_SHARING asks for one in all.
// Errors:  those of LoadEngines.
absl::StatusOr<Engines> LoadTorchScript(const ModelFile& file, const ModelConfig& config, const EngineOptions& options);

}  // namespace tensorferry::inference
