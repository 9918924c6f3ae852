#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/buffer_pool.h"
#include "inference/model_config.h"
#include "inference/model_options.h"
#include "inference/serving/served_model.h"

namespace tensorferry::inference {

// One version of a model, on its way from a file.
struct VersionToLoad {
  std::string name;
  std::int64_t version = 1;
  std::filesystem::path file;
  std::filesystem::path folder;  // The model's, with its warm-up samples; empty: none.
  std::filesystem::path root;    // Where the files must be; empty: anywhere.
};

// Errors: MODEL_NOT_READY if torch has no such device here.
absl::Status CheckDevice(const std::string& device);

// Load a model file, and warm it up on every executor, of which nothing is left in the model itself.
// Errors: those of LoadEngines and WarmUp. Threads: one at a time.
absl::StatusOr<std::unique_ptr<ServedModel>> LoadVersion(const VersionToLoad& source, const ModelConfig& config,
                                                         const LoaderOptions& options, BufferPool& pool);

}  // namespace tensorferry::inference
