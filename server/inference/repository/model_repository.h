#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/buffer_pool.h"
#include "base/thread_annotations.h"
#include "inference/model_options.h"
#include "inference/repository/model_registry.h"
#include "inference/repository/model_source.h"
#include "inference/repository/operation_queue.h"
#include "inference/repository/repository_files.h"
#include "inference/repository/repository_round.h"
#include "inference/repository/version_choice.h"
#include "inference/repository_control.h"

namespace tensorferry::inference {

// ModelRepository loads the models of a repository and of single files into a registry, and keeps the registry as the
// files and the callers want it. A new version is loaded while the old one serves. Once it is warm it takes the old
// one's place, and the old one is destroyed after its last request. A version goes on serving when its file changes
// into something that cannot be loaded.
//
// The code lies in three files: model_repository.cc looks at the files and decides what is due, repository_calls.cc does
// what callers ask for, and repository_loads.cc loads a model's versions.
//
// Operations on one model are carried out in the order in which they were asked for, those on different models beside
// each other, and the list of models waits for none of them. docs/adr/0021 says why so.
//
// Threads:  any. A thread of its own looks at the files; OperationQueue has those that load, unload and destroy.
// Lifetime: outlives every handle to a model; borrows the registry and the pool.
class ModelRepository {
 public:
  // The most loads that run at once.
  static constexpr std::size_t kLoadsAtOnce = 4;

  // The most loads and unloads of callers that wait for their turn or run.
  static constexpr int kMostCalls = 1024;

  // Looks at the files, and makes the models that are to be loaded at the start LOADING.
  ModelRepository(RepositoryOptions options, ModelRegistry& registry, BufferPool& pool);
  ModelRepository(const ModelRepository&) = delete;
  ModelRepository& operator=(const ModelRepository&) = delete;
  ~ModelRepository();

  // A Done is called once, on a thread of the repository's.
  using Done = std::function<void(const absl::Status&)>;

  // Loads the models that are to be loaded at the start.
  // Errors: with strict_start the first one's that is found not to load, without waiting for the others;
  //         MODEL_NOT_READY if the repository cannot be read at all.
  void LoadAtStart(Done done);

  // Lists what lies in the repository, and what was loaded from it.
  void List(std::function<void(absl::StatusOr<std::vector<RepositoryEntry>>)> done);

  // Load loads a model; if it is loaded, Load loads again what has changed, the overrides included. Unload unloads it if
  // it is loaded. Neither does anything if its caller waits no longer when its turn comes.
  // Files that overrides bring are counted in the memory budget until the load has ended.
  // Errors: QUEUE_FULL, on the calling thread, if kMostCalls wait already or the files do not fit; TENSOR_TOO_LARGE if they
  //         never could; MODEL_NOT_FOUND, from Unload if it is built in; MODEL_NOT_READY, with the reason; those of
  //         call.check.
  void Load(std::string name, ModelOverrides overrides, ControlCall call);
  void Unload(std::string name, ControlCall call);

  // Looks at the files now. With ModelControl::kPoll the repository's thread does so at every
  // poll_interval. `settled_only`: leaves out models whose files have changed since the last look.
  void Poll(Done done, bool settled_only = true);

 private:
  // Record says what the repository has done with one model.
  struct Record {
    std::optional<std::string> applied;  // The stamp when the model was last loaded; nothing: it is not loaded.
    std::map<std::int64_t, std::string> serving;  // The stamp with which each version was loaded.
  };

  // Turn is a model that waits for its turn to be loaded. It is LOADING meanwhile.
  struct Turn {
    ModelSource source;
    std::unique_ptr<PendingLoad> pending;
  };
  using Turns = std::vector<Turn>;

  class Place;

  absl::StatusOr<std::shared_ptr<const Place>> TakePlace(const ModelOverrides& overrides);

  void RunWork();
  void Post(std::function<void()> work);

  absl::StatusOr<Turns> TurnsOf(bool settled_only);
  bool IsDue(const ModelSource& source, bool settled_only);
  void WithdrawTheGone(const std::map<std::string, ModelSource>& sources);
  void Begin(absl::StatusOr<Turns> turns, bool at_start, Done done);
  void BeginLoad(const std::shared_ptr<RepositoryRound>& round, Turn turn);
  bool IsWanted(const std::string& name) const;

  std::unique_ptr<PendingLoad> Announce(const ModelSource& source, const std::string& overrides = "");
  std::unique_ptr<PendingLoad> AnnounceLoad(const std::string& name, const ModelOverrides& overrides);
  absl::Status LoadNow(const std::string& name, const ModelOverrides& overrides);
  absl::Status LoadFrom(const std::string& name, const ModelOverrides& overrides);
  void ForgetIfGone(const std::string& name);
  absl::Status UnloadNow(const std::string& name);
  absl::Status Apply(const ModelSource& source, const std::string& overrides = "");
  absl::Status LoadWanted(const ModelSource& source, const std::string& overrides, Record& record);
  void TellMissing(const std::string& name, std::int64_t version);
  void WithdrawTheOthers(const std::string& name, const VersionChoice& choice, Record& record);
  absl::Status LoadOne(const ModelSource& source, const ModelConfig& config, std::int64_t version);
  void Fail(const ModelSource& source, std::int64_t version, const absl::Status& error);

  Record RecordOf(const std::string& name) const;
  void Retire(ModelInfo info, std::unique_ptr<ServedModel> model);

  const RepositoryOptions options_;
  ModelRegistry& registry_;
  BufferPool& pool_;
  RepositoryFiles files_;
  std::atomic<int> calls_ = 0;  // Loads and unloads of callers that have not ended.

  // The records of the models that are loaded, or could not be. An operation on a model works on a copy of its record,
  // as no other operation on the model runs meanwhile.
  mutable Mutex records_mutex_;
  std::map<std::string, Record> records_ TENSORFERRY_GUARDED_BY(records_mutex_);
  // The models whose load a look at the files has begun, and which has not ended.
  std::set<std::string> begun_ TENSORFERRY_GUARDED_BY(records_mutex_);

  // After the constructor, only the repository's thread uses the two members below.
  std::map<std::string, std::string> seen_;  // The stamp of each model at the last look.
  absl::StatusOr<Turns> at_start_;           // What LoadAtStart loads.

  std::mutex mutex_;  // Guards the members below.
  std::condition_variable posted_;
  std::deque<std::function<void()>> work_;
  bool ending_ = false;
  OperationQueue operations_;
  std::thread thread_;  // The last member: the thread uses the others.
};

}  // namespace tensorferry::inference
