#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tensorferry::inference {

enum class ModelState : std::uint8_t { kLoading, kReady, kUnavailable, kUnloading };

// TensorSpec describes what a model takes or gives. If the dtype is empty, the model does not say, and the shape means
// nothing.
struct TensorSpec {
  std::string name;
  std::string dtype;                // Torch's name without "torch.", or kStrings.
  std::vector<std::int64_t> shape;  // -1: any size. If requests are batched, the first dimension is that of the batch.
  bool optional = false;            // For inputs: requests may leave it out.
  std::vector<std::string> labels{};  // For outputs: the labels of the classes, if the configuration has them.
};

// RepositoryEntry is a model version that is loaded, or a model that could be loaded.
struct RepositoryEntry {
  std::string name;
  std::string version;              // Empty: no version of the model was ever loaded.
  std::optional<ModelState> state;  // Nothing if `version` is empty.
  std::string reason;               // Says why the version is not READY.
};

// kBuiltIn is the platform of models that are part of the server. They take strings in their raw form.
inline constexpr std::string_view kBuiltIn = "builtin";

// kStrings stands in place of a dtype's name for strings.
inline constexpr std::string_view kStrings = "string";

// ModelInfo describes one version of one model, as ListModels shows it.
struct ModelInfo {
  std::string name;
  std::string version;
  ModelState state = ModelState::kUnavailable;
  std::string reason;               // Says why the version is not READY.
  std::string platform;             // One of "torchscript", "aotinductor", "exported" and "builtin".
  std::vector<TensorSpec> inputs;   // In the order of the forward arguments. Empty: the model takes any inputs.
  std::vector<TensorSpec> outputs;  // Empty: the outputs are known only after a run.
  std::string sha256;               // The SHA-256 of the model file, in hex. Empty: the model is built in.
  std::int64_t max_batch_size = 0;  // The most rows that one run takes; 0: the first dimension is not that of a batch.
  std::chrono::nanoseconds load_time{0};  // What the load took, with its warm-up. 0: the model is built in.
};

}  // namespace tensorferry::inference
