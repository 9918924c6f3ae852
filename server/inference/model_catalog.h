#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/model_info.h"
#include "inference/model_version.h"

namespace tensorferry::inference {

// ModelCatalog finds and lists the models that are served.
// Threads: any.
class ModelCatalog {
 public:
  virtual ~ModelCatalog() = default;

  // Returns the model's version `version`; if that is empty, the newest version that is ready.
  // Errors: MODEL_NOT_FOUND, MODEL_NOT_READY.
  virtual absl::StatusOr<std::shared_ptr<ModelVersion>> FindModel(std::string_view name,
                                                                  std::string_view version) const = 0;

  // Returns every model version, sorted by name.
  virtual std::vector<ModelInfo> Models() const = 0;

  // Calls `observer` for each model, now and whenever it changes whether a version of the model serves. The calls come
  // one after another, each on the thread that made the change. If `observer` is null, no observer is called any more
  // once ObserveModels returns.
  virtual void ObserveModels(std::function<void(const std::string& name, bool ready)> observer) = 0;
};

}  // namespace tensorferry::inference
