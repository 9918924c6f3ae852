// What happens to arrays once they have come: tensor, model, metadata. Free of torch: with the headers that it
// includes, all that rpc/ sees of inference/.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/few.h"
#include "inference/model_config.h"
#include "inference/model_info.h"
#include "inference/model_version.h"
#include "inference/result.h"
#include "payload/array_payload.h"

namespace tensorferry::inference {

struct NamedArray {
  std::string name;
  ArrayPayload payload;
};

// Threads: any; conversions run on the caller's thread.
class Pipeline {
 public:
  virtual ~Pipeline() = default;

  // Make tensors of the arrays, and state what they are.
  // Errors: MEMORY_BUDGET.
  virtual absl::StatusOr<PipelineResponse> Convert(Few<NamedArray> arrays, bool return_data) = 0;

  // Load the models that are to be there from the start. `done` is called when they are ready or unavailable, with the
  // error of the first that cannot be loaded, if that is to be one.
  virtual void LoadModels(std::function<void(const absl::Status&)> done) = 0;

  // `observer` is told of each model whether a version of it serves, now and whenever that changes. To be called once.
  virtual void ObserveModels(std::function<void(const std::string& name, bool ready)> observer) = 0;

  // The model; `version` empty: the newest that is ready.
  // Errors: MODEL_NOT_FOUND, MODEL_NOT_READY.
  virtual absl::StatusOr<std::shared_ptr<ModelVersion>> FindModel(std::string_view name,
                                                                  std::string_view version) const = 0;

  // Every model version, by name.
  virtual std::vector<ModelInfo> Models() const = 0;

  // What lies in the repository, and what was loaded from it. `done` is called on another thread, here and below.
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

  virtual std::string TorchVersion() const = 0;
};

}  // namespace tensorferry::inference
