#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/thread_annotations.h"
#include "inference/model_config.h"
#include "inference/model_info.h"
#include "inference/serving/served_model.h"

namespace tensorferry::inference {

// The model versions by name and number, each with its state. One that could not be loaded is kept with its reason, so
// that callers learn of it.
// Threads: any.
class ModelRegistry {
 public:
  // `ready`: whether a version of the model serves. Called by who changed something, one call after the other.
  using Observer = std::function<void(const std::string& name, bool ready)>;

  // `observer` is told of every model that there is, too. Null: nobody is told any more, once this returns.
  void Observe(Observer observer);

  // The model; `version` empty: the newest that is ready.
  // Errors: MODEL_NOT_FOUND; MODEL_NOT_READY, with the reason.
  absl::StatusOr<std::shared_ptr<ServedModel>> Find(std::string_view name, std::string_view version) const;

  // Every version, by name and number.
  std::vector<ModelInfo> List() const;

  // Every version, but of models that are built in.
  std::vector<ModelInfo> ListLoaded() const;

  // Adds a model that is part of the server; a repository model of the same name hides it. Call before any method below.
  void AddBuiltIn(std::shared_ptr<ServedModel> model);

  // For ModelRepository only, as all below. Sets the state and reason of a version. A version that serves goes on
  // serving, unless the new state is kUnavailable.
  void Set(const ModelInfo& info);

  // Has `model` serve from now on, in the place of what served before.
  void Publish(std::int64_t version, std::shared_ptr<ServedModel> model);

  // Has no new request find the version, which is UNLOADING from now on.
  void Withdraw(const std::string& name, std::int64_t version);

  void Forget(const std::string& name, std::int64_t version);

 private:
  struct Entry {
    ModelInfo info;
    std::shared_ptr<ServedModel> model;  // Null: it does not serve.
  };
  using Versions = std::map<std::int64_t, Entry>;

  // `change` returns what it takes out of the versions, which may be the last of its kind: it is let go without a lock.
  void Change(const std::string& name, const std::function<std::shared_ptr<ServedModel>(Versions&)>& change);
  bool IsReady(const std::string& name) const;
  const Versions* VersionsOf(std::string_view name) const TENSORFERRY_REQUIRES(mutex_);  // Null: there are none.

  mutable Mutex mutex_;
  std::map<std::string, Versions, std::less<>> models_ TENSORFERRY_GUARDED_BY(mutex_);
  std::map<std::string, Versions, std::less<>> built_in_ TENSORFERRY_GUARDED_BY(mutex_);
  Mutex observer_mutex_;  // Also held while the observer is called.
  Observer observer_ TENSORFERRY_GUARDED_BY(observer_mutex_);
};

}  // namespace tensorferry::inference
