#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "inference/model_config.h"
#include "inference/model_info.h"

namespace tensorferry::inference {

// ControlCall is the call of somebody who waits for a load or an unload.
struct ControlCall {
  // Returns whether the caller still waits. Called on any thread, before `done`.
  // Errors: DEADLINE, CANCELLED.
  std::function<absl::Status()> check = [] { return absl::OkStatus(); };
  std::function<void(const absl::Status&)> done;  // Called once.
};

// RepositoryControl loads and unloads the models of the model repository. Operations on one model are carried out in the
// order in which they came, those on different models beside each other. Each `done` is called once, on a thread of the
// repository's, or at once if the call is refused.
// Threads: any.
class RepositoryControl {
 public:
  virtual ~RepositoryControl() = default;

  // Loads the models that are served from the start. `done` is called once each of them is ready or unavailable.
  // Errors: with strict_start, that of the first model that cannot be loaded.
  virtual void LoadModels(std::function<void(const absl::Status&)> done) = 0;

  // Looks at the repository now, and takes over what has changed: somebody says that the files are complete. Does not
  // wait for that.
  virtual void LookAtRepository() = 0;

  // Lists what lies in the repository, and what was loaded from it.
  // Errors: MODEL_NOT_READY if the repository cannot be read.
  virtual void ListRepository(std::function<void(absl::StatusOr<std::vector<RepositoryEntry>>)> done) = 0;

  // Returns whether callers may load and unload models.
  virtual bool callers_control() const = 0;

  // Loads a model; if it is loaded, loads again what has changed. Nothing is done if the caller waits no longer when it
  // is the model's turn.
  // Errors: MODEL_NOT_FOUND; MODEL_NOT_READY, with the reason; those of call.check; QUEUE_FULL if too many wait already, or
  //         files that overrides bring do not fit the memory budget; TENSOR_TOO_LARGE if they never could.
  virtual void LoadModel(std::string name, ModelOverrides overrides, ControlCall call) = 0;

  // Unloads a model if it is loaded and the caller still waits. `call.done` is called once no new request finds it.
  // Errors: MODEL_NOT_FOUND for a model that is built in; those of call.check; QUEUE_FULL.
  virtual void UnloadModel(std::string name, ControlCall call) = 0;
};

}  // namespace tensorferry::inference
