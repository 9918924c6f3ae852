// What models are served, and how. Free of torch.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "inference/model_config.h"
#include "inference/repository_settings.h"

namespace tensorferry::inference {

struct LoaderOptions {
  std::string device = "cpu";  // "cpu", "cuda", "cuda:1".
  int model_threads = 1;       // Executors of a model whose configuration says nothing.
  int intra_op_threads = 1;    // Threads of torch inside one operator.
  std::uint64_t max_tensor_bytes = 0;
};

struct RepositoryOptions {
  std::filesystem::path folder;  // The repository; empty: none.
  std::vector<NamedFile> files;  // Models that are one file each.
  ModelControl control = ModelControl::kNone;
  std::vector<std::string> load = {"*"};  // Names; "*" is all of them, "none" none.
  std::chrono::milliseconds poll_interval{5000};
  bool strict_start = false;  // A model that cannot be loaded at the start is an error; else it is UNAVAILABLE.
  LoaderOptions loader;
  ConfigReader read_config;  // Null: no config.pbtxt is read.
};

}  // namespace tensorferry::inference
