#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/thread_annotations.h"
#include "inference/model_config.h"
#include "inference/model_info.h"
#include "inference/serving/served_model.h"

namespace tensorferry::inference {

// ModelRegistry holds the model versions by name and number, each with its state. A version that could not be loaded is
// kept with its reason, so that callers learn of it.
// Threads: any.
class ModelRegistry {
 public:
  // An Observer is told whether a version of a model serves. The thread that changed this calls it; calls come one
  // after another.
  using Observer = std::function<void(const std::string& name, bool ready)>;

  // Calls `observer` for every model, now and at every change. If `observer` is null, no observer is called any more
  // once Observe returns.
  void Observe(Observer observer);

  // Returns the model's version `version`; if that is empty, the newest version that is ready.
  // Errors: MODEL_NOT_FOUND; MODEL_NOT_READY, with the reason.
  absl::StatusOr<std::shared_ptr<ServedModel>> Find(std::string_view name, std::string_view version) const;

  // Returns every version, sorted by name and number.
  std::vector<ModelInfo> List() const;

  // Returns every version of the models that are not built in.
  std::vector<ModelInfo> ListLoaded() const;

  // Adds a model that is part of the server; a repository model of the same name hides it. Call it before any method
  // below.
  void AddBuiltIn(std::shared_ptr<ServedModel> model);

  // This method and those below are for ModelRepository only. Makes versions LOADING, unless they serve, until
  // RemovePending is called as often as AddPending was.
  void AddPending(const std::string& name, const std::vector<std::int64_t>& versions);
  void RemovePending(const std::string& name, const std::vector<std::int64_t>& versions);

  // Sets the state and reason of a version, which does not serve from then on.
  void Set(const ModelInfo& info);

  // Makes `model`, whose load took `load_time`, serve from now on, in place of the model that served this version
  // before.
  void Publish(std::int64_t version, std::shared_ptr<ServedModel> model, std::chrono::nanoseconds load_time);

  // Makes the other versions of the model than `kept` UNLOADING, so that no new request finds them. Once EndWithdrawal is
  // called, and at once if they do not serve, they are UNAVAILABLE with this reason; if it is empty, they are forgotten.
  void WithdrawAllBut(const std::string& name, const std::vector<std::int64_t>& kept, const std::string& reason);

  // Does the same with one version. If it was not known, it is UNAVAILABLE.
  void Withdraw(const std::string& name, std::int64_t version, const std::string& reason);

  // Forgets the model's versions that are UNAVAILABLE and do not serve.
  void ForgetUnavailable(const std::string& name);

  // Ends the withdrawal of a version whose model is destroyed. Does nothing if the version was loaded again.
  void EndWithdrawal(const ModelInfo& info);

  void Forget(const std::string& name, std::int64_t version);

  bool IsServed(const std::string& name, std::int64_t version) const;

  // Tells the observer whether the model serves, since ServedModel::unavailable has changed.
  void Tell(const std::string& name);

 private:
  struct Entry {
    ModelInfo info;
    std::shared_ptr<ServedModel> model;  // Null: the version does not serve.
    int pending = 0;                     // How many loads of the version wait for their turn or are under way.
    bool known = false;                  // Whether the version is more than pending, so that `info` has its state.
    std::string reason_once_withdrawn;  // That of an UNLOADING version, once it is UNAVAILABLE; empty: it is forgotten.

    // Returns `info`, but LOADING if the version does not serve and a load is pending, and UNAVAILABLE with the reason
    // if the model cannot run at present.
    ModelInfo CurrentInfo() const;
    bool serves() const { return model != nullptr && !model->unavailable(); }
  };
  using Versions = std::map<std::int64_t, Entry>;
  using Removed = std::vector<std::shared_ptr<ServedModel>>;

  // `change` moves the models that it removes from the versions to the second argument. These may be the last references
  // to the models, so they are released without the lock.
  void Change(const std::string& name, const std::function<void(Versions&, Removed&)>& change);
  static void Withdraw(Versions& versions, Versions::iterator entry, const std::string& reason, Removed& removed);
  static void Forget(Versions& versions, Versions::iterator entry, Removed& removed);
  bool IsReady(const std::string& name) const;
  const Versions* VersionsOf(std::string_view name) const TENSORFERRY_REQUIRES(mutex_);  // Null: there are none.

  mutable Mutex mutex_;
  std::map<std::string, Versions, std::less<>> models_ TENSORFERRY_GUARDED_BY(mutex_);
  std::map<std::string, Versions, std::less<>> built_in_ TENSORFERRY_GUARDED_BY(mutex_);
  Mutex observer_mutex_;  // Also held while the observer is called.
  Observer observer_ TENSORFERRY_GUARDED_BY(observer_mutex_);
};

// PendingLoad makes versions of a model LOADING while it lives, unless they serve.
// Lifetime: borrows the registry. Threads: any.
class PendingLoad {
 public:
  PendingLoad(ModelRegistry& registry, std::string name, std::vector<std::int64_t> versions)
      : registry_(registry), name_(std::move(name)), versions_(std::move(versions)) {
    registry_.AddPending(name_, versions_);
  }
  PendingLoad(const PendingLoad&) = delete;
  PendingLoad& operator=(const PendingLoad&) = delete;
  ~PendingLoad() { registry_.RemovePending(name_, versions_); }

 private:
  ModelRegistry& registry_;
  const std::string name_;
  const std::vector<std::int64_t> versions_;
};

}  // namespace tensorferry::inference
