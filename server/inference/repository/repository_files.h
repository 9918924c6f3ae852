#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/thread_annotations.h"
#include "inference/repository/model_source.h"
#include "inference/repository_settings.h"

namespace tensorferry::inference {

// Returns the error that the repository has no model of this name: MODEL_NOT_FOUND.
absl::Status NoModel(const std::string& name);

// RepositoryFiles finds the models that lie in the repository's folder now, and those that are a single file each.
// Threads: any.
class RepositoryFiles {
 public:
  // If `folder` is empty, there is none.
  RepositoryFiles(const std::filesystem::path& folder, std::vector<NamedFile> files);

  // Returns all models by name. What is no model is one line in the log, the first time.
  // Errors: MODEL_NOT_READY if the folder cannot be read.
  absl::StatusOr<std::map<std::string, ModelSource>> All() { return Look(""); }

  // Returns one model; nothing: there is none of that name.
  // Errors: MODEL_NOT_READY if the folder cannot be read.
  absl::StatusOr<std::optional<ModelSource>> Find(const std::string& name);

 private:
  absl::StatusOr<std::map<std::string, ModelSource>> Look(const std::string& name);

  const std::filesystem::path root_;  // The path of the folder without links.
  const std::vector<NamedFile> files_;
  Mutex mutex_;
  std::set<std::string> left_out_ TENSORFERRY_GUARDED_BY(mutex_);  // Lines that were logged.
};

}  // namespace tensorferry::inference
