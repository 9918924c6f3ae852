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

// The models that are served.
// Threads: any.
class ModelCatalog {
 public:
  virtual ~ModelCatalog() = default;

  // The model; `version` empty: the newest that is ready.
  // Errors: MODEL_NOT_FOUND, MODEL_NOT_READY.
  virtual absl::StatusOr<std::shared_ptr<ModelVersion>> FindModel(std::string_view name,
                                                                  std::string_view version) const = 0;

  // Every model version, by name.
  virtual std::vector<ModelInfo> Models() const = 0;

  // `observer` is told of each model whether a version of it serves, now and whenever that changes; one call after the
  // other, each on the thread that changed something. Null: nobody is told any more, once this returns.
  virtual void ObserveModels(std::function<void(const std::string& name, bool ready)> observer) = 0;
};

}  // namespace tensorferry::inference
