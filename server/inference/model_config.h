// What a model's configuration asks for. Free of torch and protobuf: rpc/triton_config/model_config_text.h reads
// config.pbtxt.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "payload/dtype.h"

namespace tensorferry::inference {

// ConfiguredTensor is an input or output as the configuration describes it.
struct ConfiguredTensor {
  std::string name;
  std::optional<DType> dtype;  // Nothing: any dtype, or strings.
  bool strings = false;
  std::vector<std::int64_t> dims;                    // Without the batch; -1: any size.
  std::optional<std::vector<std::int64_t>> reshape;  // The shape that the model itself takes or gives.
  bool optional = false;
  // For outputs: the file in the model's folder with the labels of the classes; empty: none.
  std::string label_filename;
};

// VersionPolicy says which of the versions in the repository are served.
struct VersionPolicy {
  enum class Kind : std::uint8_t { kLatest, kAll, kSpecific };
  Kind kind = Kind::kLatest;
  std::uint32_t latest = 1;  // For kLatest: the number of versions that are served.
  std::vector<std::int64_t> specific;
};

// QueuePolicy says how requests of one priority wait.
struct QueuePolicy {
  bool delays_late = false;                      // Late requests run after all others; if false, they are refused.
  std::chrono::microseconds default_timeout{0};  // 0: requests wait as long as their callers do.
  bool allow_timeout_override = false;           // Callers may set a shorter timeout.
  std::uint32_t max_queue_size = 0;              // The most requests that wait; 0: the server's own limit.
};

struct DynamicBatching {
  std::vector<std::int64_t> preferred_batch_sizes;  // Rows, ascending.
  std::chrono::microseconds max_queue_delay{0};
  std::uint64_t priority_levels = 0;  // 0: all requests have one priority.
  std::uint64_t default_priority = 0;
  QueuePolicy default_policy;
  std::map<std::uint64_t, QueuePolicy> policies;  // By priority.
};

struct InstanceGroup {
  enum class Kind : std::uint8_t { kAuto, kCpu, kGpu, kModel };
  Kind kind = Kind::kAuto;
  int count = 0;          // The number of executors; 0: the server's default.
  std::vector<int> gpus;  // For kGpu: each of these GPUs gets `count` executors. Empty: the server's device.
};

struct WarmUpInput {
  enum class Content : std::uint8_t { kZeros, kRandom, kFile };
  std::optional<DType> dtype;
  std::vector<std::int64_t> dims;  // Without the batch.
  Content content = Content::kZeros;
  std::string file;  // For kFile: the file in the model's folder warmup/ that holds the elements.
};

struct WarmUpSample {
  std::string name;
  std::int64_t batch_size = 1;
  int count = 1;
  std::map<std::string, WarmUpInput> inputs;
};

// A parameter whose name is kDTypeParameter and the name of a tensor sets the dtype of that tensor. It serves the
// dtypes that Triton's enumeration lacks.
inline constexpr std::string_view kDTypeParameter = "dtype:";

struct ModelConfig {
  std::string name;  // Empty: the name of the folder.
  std::int64_t max_batch_size = 0;
  std::vector<ConfiguredTensor> inputs;   // Empty: the model's own inputs.
  std::vector<ConfiguredTensor> outputs;  // Empty: the model's own outputs.
  VersionPolicy versions;
  std::optional<DynamicBatching> batching;
  std::vector<InstanceGroup> instances;
  std::string default_model_filename;
  std::map<std::string, std::string> parameters;
  std::vector<WarmUpSample> warm_up;

  std::vector<std::string> ignored;  // The names of the fields that are set and have no effect here.
  std::string text;                  // The text of the configuration; empty: there was none.
};

// ModelOverrides are what a caller's load brings, to be used in place of what the repository has.
struct ModelOverrides {
  std::string config;  // JSON that replaces fields of the configuration. Empty: no field is replaced.
  // The contents of files by "VERSION/FILE". Empty: the repository's files are used.
  std::map<std::string, std::string> files;
};

// A ConfigReader reads the text of a config.pbtxt. `overrides` is JSON whose fields replace those of the text, or
// empty.
// Errors: MODEL_NOT_READY, with the fault and its place.
using ConfigReader = std::function<absl::StatusOr<ModelConfig>(std::string_view text, std::string_view overrides)>;

}  // namespace tensorferry::inference
