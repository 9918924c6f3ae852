#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "inference/model_config.h"
#include "inference/model_info.h"

namespace tensorferry::inference {

// RepositoryControl loads and unloads the models of the model repository. Each `done` is called once, on the
// repository's thread.
// Threads: any.
class RepositoryControl {
 public:
  virtual ~RepositoryControl() = default;

  // Loads the models that are served from the start. `done` is called once each of them is ready or unavailable.
  // Errors: with strict_start, that of the first model that cannot be loaded.
  virtual void LoadModels(std::function<void(const absl::Status&)> done) = 0;

  // Lists what lies in the repository, and what was loaded from it.
  // Errors: MODEL_NOT_READY if the repository cannot be read.
  virtual void ListRepository(std::function<void(absl::StatusOr<std::vector<RepositoryEntry>>)> done) = 0;

  // Returns whether callers may load and unload models.
  virtual bool callers_control() const = 0;

  // Loads a model; if it is loaded, loads again what has changed.
  // Errors: MODEL_NOT_FOUND; MODEL_NOT_READY, with the reason.
  virtual void LoadModel(const std::string& name, const ModelOverrides& overrides,
                         std::function<void(const absl::Status&)> done) = 0;

  // Unloads a model. `done` is called once no new request finds it.
  // Errors: MODEL_NOT_FOUND.
  virtual void UnloadModel(const std::string& name, std::function<void(const absl::Status&)> done) = 0;
};

}  // namespace tensorferry::inference
