#pragma once

#include "absl/status/statusor.h"
#include "inference/engine/engine.h"

namespace tensorferry::inference {

// Loads a package that AOTInductor compiled (torch._inductor.aoti_compile_and_package, tensorferry.export).
//
// Inputs:  they have the names that tensorferry.export wrote into the package, or else names by their places in the
//          call: ARGS[0], KWARGS[mask]. A configuration uses these names or NAME__0, NAME__1, …, or lists the inputs in
//          their order. Leaves of the call that are no tensors are none.
// Outputs: they are named in the same way: RESULT, RESULT[0], RESULT[key].
// Checks:  compiled code reads as much memory as it was compiled for. So inputs are compared with the bounds first
//          (aoti_bounds.h), and an input that does not fit is INPUT_MISMATCH. The code's own checks
//          (CheckPackageInputs) come second.
// State:   executors share the weights and buffers, unless a run changes them (aoti_writes.h): then each executor has
//          a set of its own.
// Errors:  those of LoadEngines. Threads: one at a time.
absl::StatusOr<Engines> LoadAotiPackage(const ModelFile& file, const ModelConfig& config, const EngineOptions& options);

// Makes packages check their inputs, unless the environment says otherwise. Call it before the first thread is started.
void CheckPackageInputs();

}  // namespace tensorferry::inference
