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

// Loads the models of a repository and of single files into a registry, and keeps them as the files and callers want
// them. A new version is loaded beside the old one, takes its place when it is warm, and the old one goes with its last
// request. What serves goes on serving when its file changes into something that cannot be loaded.
//
// Threads:  any; one thread of its own loads and unloads, one model after the other.
// Lifetime: outlives every handle to a model; borrows the registry and the pool.
class ModelRepository {
 public:
  ModelRepository(RepositoryOptions options, ModelRegistry& registry, BufferPool& pool);
  ModelRepository(const ModelRepository&) = delete;
  ModelRepository& operator=(const ModelRepository&) = delete;
  ~ModelRepository();

  // Called once, on the repository's thread.
  using Done = std::function<void(const absl::Status&)>;

  // Load what is to be loaded at the start.
  // Errors: with strict_start those of the first model that cannot be loaded; MODEL_NOT_READY if the repository cannot
  // be read at all.
  void LoadAtStart(Done done);

  // What lies in the repository, and what was loaded from it.
  void List(std::function<void(absl::StatusOr<std::vector<RepositoryEntry>>)> done);

  // Load a model, or load anew what has changed, the overrides included; let it go.
  // Errors: MODEL_NOT_FOUND; MODEL_NOT_READY, with the reason.
  void Load(const std::string& name, const ModelOverrides& overrides, Done done);
  void Unload(const std::string& name, Done done);

  // Look at the files now, as is done every poll_interval.
  void Poll(Done done);

 private:
  // What the repository has done about one model.
  struct Record {
    std::string seen;                                 // The stamp at the last look: what still changes is not loaded.
    std::optional<std::string> applied;               // The stamp when the model was last loaded; nothing: it is not.
    std::map<std::int64_t, std::string> serving;      // By version, the stamp of what was loaded.
    std::map<std::int64_t, std::string> withdrawing;  // By version, the reason that stays; empty: nothing stays.
  };

  void RunWork();
  absl::Status LoadNow(const std::string& name, const ModelOverrides& overrides);
  absl::StatusOr<std::map<std::string, ModelSource>> Sources();
  void Post(std::function<void()> work);
  void Retire(std::unique_ptr<ServedModel> model);
  void Destroy(std::unique_ptr<ServedModel> model);
  absl::Status ApplyAll(bool settled_only);
  bool IsWanted(const std::string& name) const;
  absl::Status Apply(const ModelSource& source, const std::string& overrides = "");
  absl::Status LoadWanted(const ModelSource& source, const std::string& overrides);
  absl::StatusOr<ModelConfig> ReadConfig(const ModelSource& source, const std::string& overrides) const;
  absl::Status LoadOne(const ModelSource& source, const ModelConfig& config, std::int64_t version);
  void Fail(const ModelSource& source, std::int64_t version, const absl::Status& error);
  void WithdrawAllBut(const std::string& name, const std::vector<std::int64_t>& wanted, const std::string& reason);

  const RepositoryOptions options_;
  const std::filesystem::path root_;  // Without links.
  ModelRegistry& registry_;
  BufferPool& pool_;

  // Touched by the repository's thread alone.
  std::map<std::string, Record> records_;  // By model.
  std::set<std::string> left_out_;         // Lines that were logged.

  std::mutex mutex_;  // Guards what follows.
  std::condition_variable posted_;
  std::deque<std::function<void()>> work_;
  std::deque<std::unique_ptr<ServedModel>> retired_;  // Nobody uses them any more.
  bool ending_ = false;
  std::thread thread_;  // Last: it uses the rest.
};

}  // namespace tensorferry::inference
