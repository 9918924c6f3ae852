// What lies in a model repository. Free of torch.
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

// The files of one model.
struct ModelSource {
  std::string name;
  std::filesystem::path root;    // Where they must be, links followed; empty: anywhere.
  std::filesystem::path folder;  // The model's; empty: it is a file alone.
  std::filesystem::path config;  // config.pbtxt; empty: there is none.

  // Stamps change with every change of a file.
  struct Version {
    std::filesystem::path path;  // A file, or the folder that holds one.
    std::string stamp;           // Changes with it and with the configuration.
  };
  std::map<std::int64_t, Version> versions;  // By number.
  std::string stamp;                         // Changes with any of the files.
  std::string problem;                       // Why it cannot be served; empty: it may.
};

// A model that is one file.
ModelSource SourceOfFile(const std::string& name, const std::filesystem::path& file);

struct RepositoryContent {
  std::map<std::string, ModelSource> models;  // By name.
  std::vector<std::string> left_out;          // What is no model, one line each.
};

// What a repository holds: NAME.pt, NAME.pt2, NAME/model.pt, NAME/VERSION/model.pt and the like, with or without
// NAME/config.pbtxt. Entries that begin with a dot are not looked at.
// Errors: MODEL_NOT_READY if the folder cannot be read.
absl::StatusOr<RepositoryContent> ScanRepository(const std::filesystem::path& root);

// The model file of a version: the one that the configuration names, else model.pt or model.pt2.
// Errors: MODEL_NOT_READY if there is none, or both.
absl::StatusOr<std::filesystem::path> FileOfVersion(const std::filesystem::path& version, const ModelConfig& config);

}  // namespace tensorferry::inference
