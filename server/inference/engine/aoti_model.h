#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "inference/engine/engine.h"

namespace tensorferry::inference {

// Load a package that AOTInductor compiled (torch._inductor.aoti_compile_and_package, tensorferry.export).
//
// Inputs:  by the names that tensorferry.export wrote into the package, else by their places in the call: ARGS[0],
//          KWARGS[mask]. A configuration names them so, or NAME__0, NAME__1, …, or lists them in their order.
// Outputs: likewise; RESULT, RESULT[0], RESULT[key].
// Checks:  compiled code reads as much memory as it was compiled for, so inputs are compared first (aoti_bounds.h), and
//          what does not fit is INPUT_MISMATCH; the code's own checks (CheckPackageInputs) are a second net.
// Errors:  those of LoadEngines. Threads: one at a time.
absl::StatusOr<std::shared_ptr<Model>> LoadAotiPackage(const ModelFile& file, const ModelConfig& config,
                                                       const EngineOptions& options);

// Have packages check their inputs, unless the environment says otherwise. To be called before the first thread is
// started.
void CheckPackageInputs();

}  // namespace tensorferry::inference
