// The files of a model repository. Free of torch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/model_config.h"

namespace tensorferry::inference {

// ModelSource lists the files of one model.
struct ModelSource {
  std::string name;
  // The folder below which the files must be once links are followed; empty: they may be anywhere.
  std::filesystem::path root;
  std::filesystem::path folder;  // The model's folder; empty: the model is a single file.
  std::filesystem::path config;  // The path of config.pbtxt; empty: there is none.

  // A Version has a stamp: a text that changes whenever one of its files changes.
  struct Version {
    std::filesystem::path path;  // A file, or the folder that holds one.
    std::string stamp;           // Changes with the files of the version and with the configuration.
  };
  std::map<std::int64_t, Version> versions;  // By number.
  std::string stamp;                         // Changes with any file of the model.
  std::string problem;                       // Says why the model cannot be served; empty: it can.
};

// Returns the source of a model that is one file.
ModelSource SourceOfFile(const std::string& name, const std::filesystem::path& file);

struct RepositoryContent {
  std::map<std::string, ModelSource> models;  // By name.
  std::vector<std::string> left_out;          // Entries of the repository that are no model, one line each.
};

// Lists a repository: NAME.pt, NAME.pt2, NAME/model.pt, NAME/VERSION/model.pt and the like, with or without
// NAME/config.pbtxt. Entries whose names begin with a dot are skipped. If `only` is not empty, other models than that are
// not looked at.
// Errors: MODEL_NOT_READY if the folder cannot be read.
absl::StatusOr<RepositoryContent> ScanRepository(const std::filesystem::path& root, std::string_view only = "");

// Returns the model file of a version: the one that the configuration names, or else model.pt or model.pt2.
// Errors: MODEL_NOT_READY if neither exists, or both do.
absl::StatusOr<std::filesystem::path> FileOfVersion(const std::filesystem::path& version, const ModelConfig& config);

}  // namespace tensorferry::inference
