#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "inference/engine/exported_archive.h"

namespace tensorferry::inference {

// Returns the parameters, buffers and constants of the archive's program, by name. On the CPU they lie in the mapped
// file; those that were pickled are copies. Those that shared memory when they were saved share it here.
// Errors: MODEL_NOT_READY if a weight lies outside its file's bytes; MEMORY_BUDGET.
absl::StatusOr<std::map<std::string, at::Tensor>> LoadExportedWeights(ExportedArchive& archive, at::Device device);

}  // namespace tensorferry::inference
