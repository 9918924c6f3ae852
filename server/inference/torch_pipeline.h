// The pipeline that runs on libtorch. Free of torch's headers, so that main.cc can make one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/pipeline.h"

namespace tensorferry::inference {

struct ModelFile {
  std::string name;
  std::filesystem::path file;  // TorchScript.
};

struct TorchPipelineOptions {
  std::vector<ModelFile> models;
  bool strict_start = false;       // A model that cannot be loaded is an error; else it is UNAVAILABLE.
  int intra_op_threads = 1;        // Threads of torch inside one operator.
  std::uint64_t max_tensor_bytes;  // Largest output.
};

// Load the models and make the pipeline.
// Errors: with strict_start those of LoadTorchScript, with the model's name.
absl::StatusOr<std::unique_ptr<Pipeline>> MakeTorchPipeline(const TorchPipelineOptions& options);

}  // namespace tensorferry::inference
