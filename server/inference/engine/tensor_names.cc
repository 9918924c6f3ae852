#include "inference/engine/tensor_names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <numeric>
#include <optional>

#include "base/status.h"

namespace tensorferry::inference {
namespace {

constexpr std::size_t kNoTensor = static_cast<std::size_t>(-1);

std::optional<std::size_t> NumberOf(std::string_view name) {
  const std::size_t mark = name.rfind("__");
  if (mark == std::string_view::npos) return std::nullopt;
  const std::string_view digits = name.substr(mark + 2);
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc() && end == digits.data() + digits.size() ? std::optional(number) : std::nullopt;
}

// Returns the index of the tensor that the name means by itself; kNoTensor if it ends in a place where there is none.
// Returns nothing if the name does not say which tensor it means.
std::optional<std::size_t> IndexOf(const std::string& name, const OwnTensors& own) {
  const auto index = [&](auto found) { return static_cast<std::size_t>(found - own.tensors.begin()); };
  const auto named = std::ranges::find(own.tensors, name, &OwnTensor::name);
  if (named != own.tensors.end()) return index(named);
  const auto number = NumberOf(name);
  if (!number) return std::nullopt;
  const auto placed = std::ranges::find(own.tensors, *number, &OwnTensor::place);
  if (placed != own.tensors.end()) return index(placed);
  return own.open_ended ? *number : kNoTensor;
}

std::string TextOf(const OwnTensors& own) {
  std::vector<std::string> names;
  for (const OwnTensor& tensor : own.tensors) names.push_back(Quote(tensor.name));
  return fmt::format("[{}]", fmt::join(names, ", "));
}

std::string TextOf(std::size_t index, const OwnTensors& own) {
  return index < own.tensors.size() ? Quote(own.tensors[index].name) : fmt::format("number {}", index);
}

absl::Status DoesNotFit(const std::string& why) {
  return MakeError(Reason::kModelNotReady, fmt::format("config.pbtxt: {}", why));
}

// Takes each tensor for the one that its name means. `said` has an index for each.
absl::StatusOr<Naming> ByName(const std::vector<ConfiguredTensor>& configured, const OwnTensors& own,
                              const std::vector<std::optional<std::size_t>>& said) {
  Naming naming;
  std::map<std::size_t, std::string> taken;
  for (std::size_t i = 0; i < configured.size(); ++i) {
    const std::string& name = configured[i].name;
    if (*said[i] == kNoTensor) {
      return DoesNotFit(fmt::format("{} {} names a place where the model has no {}; its {}s are {}", own.kind,
                                    Quote(name), own.kind, own.kind, TextOf(own)));
    }
    const auto [other, is_first] = taken.try_emplace(*said[i], name);
    if (!is_first) {
      return DoesNotFit(fmt::format("{}s {} and {} both mean the model's {} {}", own.kind, Quote(other->second),
                                    Quote(name), own.kind, TextOf(*said[i], own)));
    }
    naming.indices.push_back(*said[i]);
  }
  return naming;
}

// Takes the tensors in the model's order, as names do not say which are meant: that of the tensor `unclear`.
absl::StatusOr<Naming> ByOrder(const std::vector<ConfiguredTensor>& configured, const OwnTensors& own,
                               const std::vector<std::optional<std::size_t>>& said, std::size_t unclear) {
  const std::string unknown = fmt::format("{} {} is none of the model's own, {}, and does not end in __ and a place",
                                          own.kind, Quote(configured[unclear].name), TextOf(own));
  const bool none_says = std::ranges::none_of(said, [](const auto& index) { return index.has_value(); });
  if (own.strict && !none_says) return DoesNotFit(unknown);
  if (configured.size() > own.tensors.size() && !own.open_ended) {
    return MakeError(Reason::kModelNotReady,
                     fmt::format("config.pbtxt has {} {}s, but the model {}; their names must be the model's own, or "
                                 "end in __ and the place, or stand in the model's order",
                                 configured.size(), own.kind, own.tensors.size()));
  }
  Naming naming{.indices = std::vector<std::size_t>(configured.size()), .warning = {}};
  std::iota(naming.indices.begin(), naming.indices.end(), std::size_t{0});
  for (std::size_t i = 0; i < said.size(); ++i) {
    if (!said[i] || *said[i] == i) continue;
    naming.warning = fmt::format("{}; so all {}s are taken in the model's order, and {} is taken for {}", unknown,
                                 own.kind, Quote(configured[i].name), TextOf(i, own));
    break;
  }
  return naming;
}

}  // namespace

std::string OutputName(std::size_t index) { return fmt::format("OUTPUT__{}", index); }

absl::StatusOr<Naming> FindOwnTensors(const std::vector<ConfiguredTensor>& configured, const OwnTensors& own) {
  std::vector<std::optional<std::size_t>> said;
  for (const ConfiguredTensor& tensor : configured) said.push_back(IndexOf(tensor.name, own));
  const auto unclear = std::ranges::find_if(said, [](const auto& index) { return !index.has_value(); });
  if (unclear == said.end()) return ByName(configured, own, said);
  return ByOrder(configured, own, said, static_cast<std::size_t>(unclear - said.begin()));
}

OwnTensors OwnTensorsOf(std::string_view kind, const std::vector<TensorSpec>& specs) {
  OwnTensors own{.kind = kind, .tensors = {}};
  for (const TensorSpec& spec : specs) own.tensors.push_back({spec.name, own.tensors.size()});
  return own;
}

TensorSpec SpecOf(const ConfiguredTensor& tensor, bool batched) {
  TensorSpec spec{.name = tensor.name, .optional = tensor.optional};
  if (tensor.dtype) spec.dtype = std::string(Info(*tensor.dtype).name);
  if (tensor.strings) spec.dtype = kStrings;
  if (batched) spec.shape.push_back(-1);
  spec.shape.insert(spec.shape.end(), tensor.dims.begin(), tensor.dims.end());
  return spec;
}

}  // namespace tensorferry::inference
