// What a model's configuration asks for. Free of torch and protobuf: rpc/triton_config/model_config_text.h reads config.pbtxt.
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

// An input or output, in the order of the configuration.
struct ConfiguredTensor {
  std::string name;
  std::optional<DType> dtype;  // Nothing: any, or `strings`.
  bool strings = false;
  std::vector<std::int64_t> dims;                    // Without the batch; -1: any size.
  std::optional<std::vector<std::int64_t>> reshape;  // The shape that the model itself takes or gives.
  bool optional = false;
  std::string label_filename;  // Outputs: of the classes' labels, in the model's folder; empty: there are none.
};

// Which of the versions in the repository are served.
struct VersionPolicy {
  enum class Kind : std::uint8_t { kLatest, kAll, kSpecific };
  Kind kind = Kind::kLatest;
  std::uint32_t latest = 1;  // kLatest: that many.
  std::vector<std::int64_t> specific;
};

// How requests of one priority wait.
struct QueuePolicy {
  bool delays_late = false;                      // Late requests run after all others; else they are refused.
  std::chrono::microseconds default_timeout{0};  // 0: none.
  bool allow_timeout_override = false;           // By callers, to a shorter one.
  std::uint32_t max_queue_size = 0;              // Requests; 0: the server's own limit.
};

struct DynamicBatching {
  std::vector<std::int64_t> preferred_batch_sizes;  // Rows, ascending.
  std::chrono::microseconds max_queue_delay{0};
  std::uint64_t priority_levels = 0;  // 0: one.
  std::uint64_t default_priority = 0;
  QueuePolicy default_policy;
  std::map<std::uint64_t, QueuePolicy> policies;  // By priority.
};

struct InstanceGroup {
  enum class Kind : std::uint8_t { kAuto, kCpu, kGpu, kModel };
  Kind kind = Kind::kAuto;
  int count = 0;          // 0: the server's default.
  std::vector<int> gpus;  // kGpu: count on each. Empty: the server's device.
};

struct WarmUpInput {
  enum class Content : std::uint8_t { kZeros, kRandom, kFile };
  std::optional<DType> dtype;
  std::vector<std::int64_t> dims;  // Without the batch.
  Content content = Content::kZeros;
  std::string file;  // kFile: of the elements, in the model's folder warmup/.
};

struct WarmUpSample {
  std::string name;
  std::int64_t batch_size = 1;
  int count = 1;
  std::map<std::string, WarmUpInput> inputs;
};

// Parameters of this name and a tensor's give the tensor the dtype that they name: for dtypes that Triton's enumeration
// lacks.
inline constexpr std::string_view kDTypeParameter = "dtype:";

struct ModelConfig {
  std::string name;  // Empty: as the folder.
  std::int64_t max_batch_size = 0;
  std::vector<ConfiguredTensor> inputs;   // Empty: as the model has them.
  std::vector<ConfiguredTensor> outputs;  // Empty: as the model has them.
  VersionPolicy versions;
  std::optional<DynamicBatching> batching;
  std::vector<InstanceGroup> instances;
  std::string default_model_filename;
  std::map<std::string, std::string> parameters;
  std::vector<WarmUpSample> warm_up;

  std::vector<std::string> ignored;  // Fields that are set and that we do not honour, by name.
  std::string text;                  // As it was read; empty: there was none.
};

// What a caller's load brings along, in the place of what the repository has.
struct ModelOverrides {
  std::string config;                        // JSON: replaces fields of the configuration. Empty: nothing.
  std::map<std::string, std::string> files;  // Contents by "VERSION/FILE". Empty: the repository's.
};

// Reads the text of a config.pbtxt, some fields of which `overrides` replaces: JSON; empty: none.
// Errors: MODEL_NOT_READY, with what is wrong and where.
using ConfigReader = std::function<absl::StatusOr<ModelConfig>(std::string_view text, std::string_view overrides)>;

}  // namespace tensorferry::inference
