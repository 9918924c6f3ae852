#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tensorferry::inference {

enum class ModelState : std::uint8_t { kLoading, kReady, kUnavailable, kUnloading };

// What a model takes or gives. An empty dtype: the model does not say, and then the shape means nothing either.
struct TensorSpec {
  std::string name;
  std::string dtype;                  // Torch's name without "torch."; or kStrings.
  std::vector<std::int64_t> shape;    // -1: any size. Where requests are batched, the batch comes first.
  bool optional = false;              // Inputs: may be left out.
  std::vector<std::string> labels{};  // Outputs: of the classes, where the configuration names them.
};

// A model version that is loaded, or could be.
struct RepositoryEntry {
  std::string name;
  std::string version;              // Empty: nothing of the model was ever loaded.
  std::optional<ModelState> state;  // Nothing: as above.
  std::string reason;               // Why it is not READY.
};

// The platform of models that are part of the server: they take strings as they come.
inline constexpr std::string_view kBuiltIn = "builtin";

// Stands in the place of a dtype: strings.
inline constexpr std::string_view kStrings = "string";

// One version of one model, as ListModels shows it.
struct ModelInfo {
  std::string name;
  std::string version;
  ModelState state = ModelState::kUnavailable;
  std::string reason;               // Why it is not READY.
  std::string platform;             // "torchscript", "aotinductor", "builtin".
  std::vector<TensorSpec> inputs;   // In the order of the forward arguments. Empty: anything.
  std::vector<TensorSpec> outputs;  // Empty: known only after a run.
  std::string sha256;               // Hex, of the model file. Empty: built in.
  std::int64_t max_batch_size = 0;  // Rows of the first dimension that one run takes; 0: it is like any other.
};

}  // namespace tensorferry::inference
