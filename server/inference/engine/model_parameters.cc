#include "inference/engine/model_parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>
#include <string_view>

#include "base/status.h"

namespace tensorferry::inference {
namespace {

constexpr std::string_view kDisableOptimized = "DISABLE_OPTIMIZED_EXECUTION";
constexpr std::string_view kInferenceMode = "INFERENCE_MODE";
constexpr std::string_view kFreeze = "FREEZE";
constexpr std::string_view kIntraOpThreads = "INTRA_OP_THREAD_COUNT";
constexpr std::string_view kWeightSharing = "ENABLE_WEIGHT_SHARING";
constexpr std::string_view kIsolation = "isolation";
constexpr std::array kKnown{kDisableOptimized, kInferenceMode, kFreeze, kIntraOpThreads, kWeightSharing, kIsolation};

absl::Status Refuse(std::string_view name, std::string_view expected, const std::string& actual) {
  return MakeError(Reason::kModelNotReady,
                   fmt::format("config.pbtxt: parameter {} is {}, expected {}", name, Quote(actual), expected));
}

absl::Status Read(const ModelConfig& config, std::string_view name, bool& value) {
  const auto found = config.parameters.find(std::string(name));
  if (found == config.parameters.end()) return absl::OkStatus();
  std::string text = found->second;
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (text != "true" && text != "false" && text != "1" && text != "0") {
    return Refuse(name, "true or false", found->second);
  }
  value = text == "true" || text == "1";
  return absl::OkStatus();
}

absl::Status Read(const ModelConfig& config, std::string_view name, int& value) {
  const auto found = config.parameters.find(std::string(name));
  if (found == config.parameters.end()) return absl::OkStatus();
  const std::string& text = found->second;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > 1024) {
    return Refuse(name, "a number from 1 to 1024", text);
  }
  return absl::OkStatus();
}

absl::Status Read(const ModelConfig& config, std::string_view name, std::optional<Isolation>& value) {
  const auto found = config.parameters.find(std::string(name));
  if (found == config.parameters.end()) return absl::OkStatus();
  const auto isolation = std::ranges::find(kIsolations, found->second);
  if (isolation == kIsolations.end()) return Refuse(name, "none or process", found->second);
  value = static_cast<Isolation>(isolation - kIsolations.begin());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelParameters> ReadParameters(const ModelConfig& config) {
  ModelParameters parameters;
  bool disabled = false;
  TENSORFERRY_RETURN_IF_ERROR(Read(config, kDisableOptimized, disabled));
  parameters.optimized_execution = !disabled;
  TENSORFERRY_RETURN_IF_ERROR(Read(config, kInferenceMode, parameters.inference_mode));
  TENSORFERRY_RETURN_IF_ERROR(Read(config, kFreeze, parameters.freeze));
  TENSORFERRY_RETURN_IF_ERROR(Read(config, kWeightSharing, parameters.share_weights));
  TENSORFERRY_RETURN_IF_ERROR(Read(config, kIntraOpThreads, parameters.intra_op_threads));
  TENSORFERRY_RETURN_IF_ERROR(Read(config, kIsolation, parameters.isolation));
  return parameters;
}

std::vector<std::string> ParametersOfTorchScript(const ModelConfig& config) {
  std::vector<std::string> set;
  for (const std::string_view name : {kDisableOptimized, kInferenceMode, kFreeze}) {
    if (config.parameters.contains(std::string(name))) set.emplace_back(name);
  }
  return set;
}

std::vector<std::string> IgnoredParameters(const ModelConfig& config) {
  std::vector<std::string> ignored;
  for (const auto& [name, value] : config.parameters) {
    if (!name.starts_with(kDTypeParameter) && std::ranges::find(kKnown, name) == kKnown.end()) ignored.push_back(name);
  }
  return ignored;
}

}  // namespace tensorferry::inference
