#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/inductor/aoti_runner/model_container_runner.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace tensorferry::inference {

// Runs a package.
// Errors: those of TranslatePackageError. Throws: what a runner throws beside the errors of its package.
absl::StatusOr<std::vector<at::Tensor>> RunPackage(torch::inductor::AOTIModelContainerRunner& runner,
                                                   std::vector<at::Tensor> arguments);

// Returns the operator that a function of torch's C interface for packages runs: "aten::index.Tensor" for
// "aoti_torch_cpu_index_Tensor". Returns an empty text if the function runs none that is known.
std::string OperatorOfFunction(std::string_view function);

// Makes an error of `text`, with which a run of a package failed. A package that calls an operator of torch's says only
// which function failed, and where in its source. `words` are then those of the operator.
// Errors: those of TranslateTorchError.
absl::Status TranslatePackageError(std::string_view text, std::string_view words);

}  // namespace tensorferry::inference
