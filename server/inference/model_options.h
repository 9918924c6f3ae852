// Options that say which models are served, and how. Free of torch.
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
  std::string device = "cpu";  // Such as "cpu", "cuda" or "cuda:1".
  int model_threads = 1;       // The number of executors of a model whose configuration does not say it.
  int intra_op_threads = 1;    // The number of threads that torch uses inside one operator.
  std::uint64_t max_tensor_bytes = 0;
  Isolation isolation = Isolation::kNone;   // Of models whose configuration does not say it.
  std::vector<std::string> worker_command;  // The program of a worker process: its file, then what is its argv.
};

struct RepositoryOptions {
  std::filesystem::path folder;  // The folder of the repository; empty: no repository.
  std::vector<NamedFile> files;  // Models that are one file each.
  ModelControl control = ModelControl::kNone;
  std::vector<std::string> load = {"*"};  // Names of models; "*" stands for all models, "none" for no model.
  std::chrono::milliseconds poll_interval{5000};
  // If a model cannot be loaded at the start, that is an error; if false, the model is UNAVAILABLE.
  bool strict_start = false;
  LoaderOptions loader;
  ConfigReader read_config;  // Null: config.pbtxt is not read.
};

}  // namespace tensorferry::inference
