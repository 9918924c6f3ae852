#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "inference/model.h"

namespace tensorferry::inference {

// Load a TorchScript file (torch.jit.save). Loading runs code that the file brings: trust its author.
//
// Inputs:  the tensors among forward's arguments, by their names; arguments with a default may be left out.
// Outputs: dictionary keys, NamedTuple fields, else OUTPUT__0, OUTPUT__1, ….
// Bits:    run as saved, in evaluation mode; neither frozen nor fused, which would change results.
// Errors:  MODEL_NOT_READY, with a reason that says what is wrong with the file; it names no path.
absl::StatusOr<std::unique_ptr<Model>> LoadTorchScript(const std::string& name, const std::filesystem::path& file);

}  // namespace tensorferry::inference
