#include "inference/engine/aoti_call.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/status.h"
#include "inference/engine/aoti_leaves.h"
#include "inference/engine/call_spec.h"
#include "inference/engine/tensor_names.h"

namespace tensorferry::inference {
namespace {

constexpr std::string_view kInput = "input", kOutput = "output";

bool NamesLeaf(const ConfiguredTensor& tensor) {
  return std::ranges::any_of(std::array{"ARGS[", "KWARGS[", "RESULT"},
                             [&](std::string_view prefix) { return tensor.name.starts_with(prefix); });
}

// Returns the tensors of the call, by the names that tensorferry.export gave them, or by those of their leaves.
absl::StatusOr<OwnTensors> OwnTensorsOf(const PackageCall& call, const std::vector<TensorSpec>& exported,
                                        bool by_leaf) {
  OwnTensors own{.kind = call.kind, .tensors = {}};
  if (!exported.empty() && exported.size() != call.tensors.size()) {
    return MakeError(Reason::kModelNotReady, fmt::format("the package's metadata name {} {}s, its call has {}",
                                                         exported.size(), call.kind, call.tensors.size()));
  }
  for (std::size_t i = 0; i < call.tensors.size(); ++i) {
    const std::size_t leaf = call.tensors[i];
    own.tensors.push_back({by_leaf ? call.leaves[leaf] : exported[i].name, leaf});
  }
  return own;
}

// Checks that the configuration names no leaf that is no tensor.
absl::Status CheckLeaves(const std::vector<ConfiguredTensor>& configured, const PackageCall& call) {
  for (const ConfiguredTensor& tensor : configured) {
    const auto leaf = std::ranges::find(call.leaves, tensor.name);
    if (leaf == call.leaves.end()) continue;
    if (std::ranges::count(call.tensors, static_cast<std::size_t>(leaf - call.leaves.begin())) > 0) continue;
    return MakeError(Reason::kModelNotReady, fmt::format("config.pbtxt: {} {} is no tensor in the package's call",
                                                         call.kind, Quote(tensor.name)));
  }
  return absl::OkStatus();
}

// Returns the leaves that the configuration names, in their order.
std::vector<std::size_t> NamedLeaves(const std::vector<ConfiguredTensor>& configured,
                                     const std::vector<std::string>& leaves) {
  std::vector<std::size_t> named;
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    if (std::ranges::count(configured, leaves[i], &ConfiguredTensor::name) > 0) named.push_back(i);
  }
  return named;
}

}  // namespace

absl::StatusOr<PackageCall> InputsOf(std::string_view spec, std::string_view source, const ModelConfig& config) {
  PackageCall call{.kind = kInput, .leaves = {}, .tensors = {}, .warning = {}};
  TENSORFERRY_ASSIGN_OR_RETURN(call.leaves, InputLeaves(spec));
  TENSORFERRY_ASSIGN_OR_RETURN(TensorLeaves tensors,
                               TensorInputs(source, call.leaves.size(), NamedLeaves(config.inputs, call.leaves)));
  call.tensors = std::move(tensors.indices);
  if (!tensors.certain) {
    call.warning = fmt::format(
        "{} of the {} leaves of the package's call are tensors, and it does not tell for certain which: the first is "
        "taken to be {}; name them in a config.pbtxt if others are",
        call.tensors.size(), call.leaves.size(), Quote(call.leaves[call.tensors.front()]));
  }
  return call;
}

absl::StatusOr<PackageCall> OutputsOf(std::string_view spec, std::string_view source) {
  PackageCall call{.kind = kOutput, .leaves = {}, .tensors = {}, .warning = {}};
  TENSORFERRY_ASSIGN_OR_RETURN(call.leaves, OutputLeaves(spec));
  call.tensors = TensorOutputs(source, call.leaves.size()).indices;
  return call;
}

absl::StatusOr<PackageSide> MakeSide(const PackageCall& call, const std::vector<ConfiguredTensor>& configured,
                                     bool batched, const std::vector<TensorSpec>& exported) {
  const bool by_leaf = exported.empty() || std::ranges::any_of(configured, NamesLeaf);
  TENSORFERRY_ASSIGN_OR_RETURN(const OwnTensors own, OwnTensorsOf(call, exported, by_leaf));
  PackageSide side;
  if (configured.empty()) {
    for (std::size_t i = 0; i < own.tensors.size(); ++i) {
      side.specs.push_back(exported.empty() ? TensorSpec{.name = own.tensors[i].name} : exported[i]);
      side.places.push_back(i);
    }
    return side;
  }
  TENSORFERRY_RETURN_IF_ERROR(CheckLeaves(configured, call));
  TENSORFERRY_ASSIGN_OR_RETURN(Naming naming, FindOwnTensors(configured, own));
  for (std::size_t i = 0; call.kind == kInput && i < own.tensors.size(); ++i) {
    if (std::ranges::find(naming.indices, i) != naming.indices.end()) continue;
    return MakeError(Reason::kModelNotReady,
                     fmt::format("config.pbtxt has no input for the package's {}", Quote(own.tensors[i].name)));
  }
  for (const ConfiguredTensor& tensor : configured) side.specs.push_back(SpecOf(tensor, batched));
  side.places = std::move(naming.indices);
  if (!naming.warning.empty()) side.warning = "config.pbtxt: " + naming.warning;
  return side;
}

}  // namespace tensorferry::inference
