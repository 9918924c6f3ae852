#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/buffer_pool.h"
#include "inference/model_config.h"
#include "inference/model_options.h"
#include "inference/serving/served_model.h"

namespace tensorferry::inference {

// VersionToLoad is one version of a model that is to be loaded from a file.
struct VersionToLoad {
  std::string name;
  std::int64_t version = 1;
  std::filesystem::path file;
  std::filesystem::path folder;  // The model's folder, which holds its warm-up samples; empty: the model has none.
  std::filesystem::path root;    // The folder below which the files must be; empty: they may be anywhere.
  // Called, on any thread, when what ServedModel::unavailable returns has changed.
  std::function<void()> on_change = [] {};
};

// Checks that torch has such a device here.
// Errors: MODEL_NOT_READY.
absl::Status CheckDevice(const std::string& device);

// Loads a model file, and warms it up on every executor. The warm-up leaves no trace in the model.
// Errors: those of LoadEngines and WarmUp. Threads: any.
absl::StatusOr<std::unique_ptr<ServedModel>> LoadVersion(const VersionToLoad& source, const ModelConfig& config,
                                                         const LoaderOptions& options, BufferPool& pool);

}  // namespace tensorferry::inference
