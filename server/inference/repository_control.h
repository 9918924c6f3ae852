#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "inference/model_config.h"
#include "inference/model_info.h"

namespace tensorferry::inference {

// What can be done with the model repository. Each `done` is called once, on the repository's thread.
// Threads: any.
class RepositoryControl {
 public:
  virtual ~RepositoryControl() = default;

  // Load the models that are to be there from the start. `done` is called when they are ready or unavailable, with the
  // error of the first that cannot be loaded, if that is to be one.
  virtual void LoadModels(std::function<void(const absl::Status&)> done) = 0;

  // What lies in the repository, and what was loaded from it.
  // Errors: MODEL_NOT_READY if the repository cannot be read.
  virtual void ListRepository(std::function<void(absl::StatusOr<std::vector<RepositoryEntry>>)> done) = 0;

  // Whether callers may load and unload.
  virtual bool callers_control() const = 0;

  // Load a model, or load anew what has changed.
  // Errors: MODEL_NOT_FOUND; MODEL_NOT_READY, with the reason.
  virtual void LoadModel(const std::string& name, const ModelOverrides& overrides,
                         std::function<void(const absl::Status&)> done) = 0;

  // Let a model go; `done` when no new request finds it.
  // Errors: MODEL_NOT_FOUND.
  virtual void UnloadModel(const std::string& name, std::function<void(const absl::Status&)> done) = 0;
};

}  // namespace tensorferry::inference
