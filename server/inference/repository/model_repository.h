#pragma once

#include <condition_variable>
#include <deque>
#include <filesystem>
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
#include "inference/model_options.h"
#include "inference/repository/model_registry.h"
#include "inference/repository/model_source.h"

namespace tensorferry::inference {

// ModelRepository loads the models of a repository and of single files into a registry, and keeps the registry as the
// files and the callers want it. A new version is loaded while the old one serves. Once it is warm it takes the old
// one's place, and the old one is destroyed after its last request. A version goes on serving when its file changes
// into something that cannot be loaded.
//
// Threads:  any; one thread of its own loads and unloads, one model after another.
// Lifetime: outlives every handle to a model; borrows the registry and the pool.
class ModelRepository {
 public:
  // Looks at the files, and makes the models that are to be loaded at the start LOADING.
  ModelRepository(RepositoryOptions options, ModelRegistry& registry, BufferPool& pool);
  ModelRepository(const ModelRepository&) = delete;
  ModelRepository& operator=(const ModelRepository&) = delete;
  ~ModelRepository();

  // A Done is called once, on the repository's thread.
  using Done = std::function<void(const absl::Status&)>;

  // Loads the models that are to be loaded at the start.
  // Errors: with strict_start those of the first model that cannot be loaded; MODEL_NOT_READY if the repository cannot
  //         be read at all.
  void LoadAtStart(Done done);

  // Lists what lies in the repository, and what was loaded from it.
  void List(std::function<void(absl::StatusOr<std::vector<RepositoryEntry>>)> done);

  // Load loads a model; if it is loaded, Load loads again what has changed, the overrides included. Unload unloads it.
  // Errors: MODEL_NOT_FOUND; MODEL_NOT_READY, with the reason.
  void Load(const std::string& name, const ModelOverrides& overrides, Done done);
  void Unload(const std::string& name, Done done);

  // Looks at the files now. With ModelControl::kPoll the repository's thread does so at every
  // poll_interval.
  void Poll(Done done);

 private:
  // Record says what the repository has done with one model.
  struct Record {
    std::string seen;                    // The stamp at the last look. A model whose stamp still changes is not loaded.
    std::optional<std::string> applied;  // The stamp when the model was last loaded; nothing: it is not loaded.
    std::map<std::int64_t, std::string> serving;  // The stamp with which each version was loaded.
    // The reason that each version gets once it is gone; empty: it is forgotten.
    std::map<std::int64_t, std::string> withdrawing;
  };

  // Turn is a model that waits for its turn to be loaded. It is LOADING meanwhile.
  struct Turn {
    ModelSource source;
    std::unique_ptr<PendingLoad> pending;
  };
  using Turns = std::deque<Turn>;

  void RunWork();
  absl::Status LoadNow(const std::string& name, const ModelOverrides& overrides);
  absl::StatusOr<std::map<std::string, ModelSource>> Sources();
  void Post(std::function<void()> work);
  void Retire(std::unique_ptr<ServedModel> model);
  void Destroy(std::unique_ptr<ServedModel> model);
  absl::StatusOr<Turns> TurnsOf(bool settled_only);
  absl::Status ApplyAll(absl::StatusOr<Turns> turns, bool at_start);
  std::unique_ptr<PendingLoad> Announce(const ModelSource& source, const std::string& overrides = "");
  bool IsWanted(const std::string& name) const;
  absl::Status Apply(const ModelSource& source, const std::string& overrides = "");
  absl::Status LoadWanted(const ModelSource& source, const std::string& overrides);
  absl::StatusOr<ModelConfig> ReadConfig(const ModelSource& source, const std::string& overrides) const;
  absl::Status LoadOne(const ModelSource& source, const ModelConfig& config, std::int64_t version);
  void Fail(const ModelSource& source, std::int64_t version, const absl::Status& error);
  void WithdrawAllBut(const std::string& name, const std::vector<std::int64_t>& wanted, const std::string& reason);

  const RepositoryOptions options_;
  const std::filesystem::path root_;  // The path of the repository without links.
  ModelRegistry& registry_;
  BufferPool& pool_;

  // Until its first look, which the constructor takes, only the repository's thread uses the members below.
  std::map<std::string, Record> records_;  // By model.
  std::set<std::string> left_out_;         // Lines that were logged, so that each is logged once.
  absl::StatusOr<Turns> at_start_;         // What LoadAtStart loads.

  std::mutex mutex_;  // Guards the members below.
  std::condition_variable posted_;
  std::deque<std::function<void()>> work_;
  std::deque<std::unique_ptr<ServedModel>> retired_;  // Models that have no handles any more.
  bool ending_ = false;
  std::thread thread_;  // The last member: the thread uses the others.
};

}  // namespace tensorferry::inference
