#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "inference/engine/engine.h"

namespace tensorferry::inference {

// Loads a program that torch.export.save wrote. It needs no compiler, and runs on any processor.
//
// Inputs:  they have the names that tensorferry.export wrote into the archive, or else those that torch's exporter gave
//          them: x, and d_k_0 for a leaf of an argument d. A configuration uses these names, or names by their places
//          in the call, ARGS[0] and KWARGS[mask], or NAME__0, NAME__1, …, or lists the inputs in their order. Leaves of
//          the call that are no tensors and no symbolic numbers are none.
// Outputs: they are named by their places in the result, RESULT, RESULT[0], RESULT[key], unless tensorferry.export
//          named them. Numbers are tensors without dimensions; None and texts are left out.
// Checks:  an input is compared with the sizes that the program was exported for, and with the conditions on them
//          (exported_shapes.h). What does not fit is INPUT_MISMATCH.
// Errors:  those of LoadEngines. Threads: any.
absl::StatusOr<std::shared_ptr<Model>> LoadExported(const ModelFile& file, const ModelConfig& config,
                                                    const EngineOptions& options);

}  // namespace tensorferry::inference
