#pragma once

#include <span>
#include <string>

#include "absl/status/status.h"
#include "inference/model_info.h"
#include "inference/model_version.h"

namespace tensorferry::inference {

// Checks that the model takes inputs of these names, dtypes and shapes. If it has batches, all inputs must have the
// same number of rows, from 1 to max_batch_size.
// Errors: INPUT_MISMATCH, with expected and actual.
absl::Status CheckInputs(const ModelInfo& model, std::span<const InputDeclaration> inputs);

// Checks that the model gives these outputs, as far as that is known before a run.
// Errors: UNKNOWN_OUTPUT.
absl::Status CheckOutputs(const ModelInfo& model, std::span<const std::string> requested);

}  // namespace tensorferry::inference
