#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/model.h"

namespace tensorferry::inference {

// The models by name. One that could not be loaded is kept with its reason, so that callers learn of it.
// Threads: filled before it is shared, read by any number of threads.
class ModelRegistry {
 public:
  // With the built-in model `identity`.
  ModelRegistry();

  // A model of the same name is replaced; this is how a file takes the place of `identity`.
  void Add(std::shared_ptr<Model> model);
  void AddUnavailable(ModelInfo info);

  // The model; `version` empty: the only one there is.
  // Errors: MODEL_NOT_FOUND; MODEL_NOT_READY, with the reason.
  absl::StatusOr<std::shared_ptr<Model>> Find(std::string_view name, std::string_view version) const;

  // By name.
  std::vector<ModelInfo> List() const;

 private:
  struct Entry {
    ModelInfo info;
    std::shared_ptr<Model> model;  // Null: unavailable.
  };
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace tensorferry::inference
