#include "inference/engine/torchscript_outputs.h"

#include <ATen/core/function.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <utility>

#include "base/status.h"
#include "inference/engine/tensor_names.h"
#include "inference/engine/torchscript_lists.h"
#include "payload/strings.h"

namespace tensorferry::inference {
namespace {

// Returned is a part of what forward returns.
struct Returned {
  c10::TypePtr type;
  const torch::jit::Value* value;  // As the code makes it; null: that is not known.
  std::string name{};              // Empty: what it is made of is numbered.
  int depth = 0;
};

// Adds the outputs of a value. Returns nothing if it is made of tensors, else what of it is not.
std::optional<std::string> AddOutputs(const Returned& whole, std::vector<TensorSpec>& outputs) {
  const auto name_of = [&](std::size_t i) {
    return whole.name.empty() ? OutputName(outputs.size()) : fmt::format("{}[{}]", whole.name, i);
  };
  const std::string own_name = whole.name.empty() ? OutputName(outputs.size()) : whole.name;
  if (IsTensorOrStrings(whole.type)) {
    outputs.push_back(SpecOfType(own_name, whole.type));
    return std::nullopt;
  }
  if (const auto length = IsTensors(whole.type) ? BuiltLength(whole.value) : std::nullopt) {
    for (std::size_t i = 0; i < *length; ++i) outputs.push_back({.name = name_of(i)});
    return std::nullopt;
  }
  const auto tuple = whole.type->cast<c10::TupleType>();
  if (!tuple || whole.depth > kMaxTupleDepth) return fmt::format("output {} is {}", Quote(own_name), whole.type->str());
  const bool numbered = whole.name.empty() && (whole.depth > 0 || !tuple->schema());
  for (std::size_t i = 0; i < tuple->elements().size(); ++i) {
    const std::string element = ElementName(*tuple, i);
    const std::string path = whole.name.empty() ? element : fmt::format("{}[{}]", whole.name, element);
    const Returned part{tuple->elements()[i], ElementOf(whole.value, i), numbered ? "" : path, whole.depth + 1};
    if (auto fault = AddOutputs(part, outputs)) return fault;
  }
  return std::nullopt;
}

// Adds the values of the outputs of a value, in the order in which AddOutputs adds the outputs.
void AddValues(const c10::IValue& value, std::vector<c10::IValue>& values) {
  if (value.isTensorList()) {
    for (at::Tensor& tensor : value.toTensorVector()) values.emplace_back(std::move(tensor));
    return;
  }
  if (!value.isTuple()) return values.push_back(value);
  for (const c10::IValue& element : value.toTupleRef().elements()) AddValues(element, values);
}

// Returns the strings in their raw form, as a tensor of bytes.
NamedTensor TensorOfStrings(const std::string& name, const c10::IValue& value) {
  std::string raw;
  const c10::List<c10::IValue> list = value.toList();
  for (const c10::IValue& element : list.vec()) AppendString(element.toStringRef(), raw);
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(raw.size())}, at::kByte);
  if (!raw.empty()) std::memcpy(tensor.mutable_data_ptr(), raw.data(), raw.size());
  return NamedTensor{name, std::move(tensor), Shape{static_cast<std::int64_t>(list.size())}};
}

NamedTensor OneOutput(const std::string& name, const c10::IValue& value) {
  const bool strings = value.isList() && value.toList().elementType()->kind() == c10::TypeKind::StringType;
  return strings ? TensorOfStrings(name, value) : NamedTensor{name, value.toTensor()};
}

}  // namespace

absl::StatusOr<TorchScriptOutputs> TorchScriptOutputs::Make(torch::jit::Function& forward, const ModelConfig& config) {
  TorchScriptOutputs outputs;
  TENSORFERRY_RETURN_IF_ERROR(outputs.ReadType(forward));
  if (!config.outputs.empty()) TENSORFERRY_RETURN_IF_ERROR(outputs.ApplyConfig(config));
  return outputs;
}

absl::Status TorchScriptOutputs::ReadType(torch::jit::Function& forward) {
  const c10::TypePtr& type = forward.getSchema().returns().front().type();
  is_dictionary_ = IsDictionary(type);
  if (is_dictionary_ || IsTensors(type)) return absl::OkStatus();
  const auto fault = AddOutputs({.type = type, .value = ReturnedValue(forward)}, specs_);
  places_.resize(specs_.size());
  std::iota(places_.begin(), places_.end(), std::size_t{0});
  if (!fault) return absl::OkStatus();
  return MakeError(
      Reason::kModelNotReady,
      fmt::format("forward returns {}, of which {}; tensors and lists of strings, tuples of them, lists of "
                  "tensors in tuples if the code writes them out, and a list or dictionary of tensors by "
                  "name, can be sent",
                  type->str(), *fault));
}

absl::Status TorchScriptOutputs::ApplyConfig(const ModelConfig& config) {
  const bool batched = config.max_batch_size > 0;
  const bool known = !specs_.empty();
  std::vector<TensorSpec> specs;
  for (const ConfiguredTensor& output : config.outputs) specs.push_back(SpecOf(output, batched));
  if (is_dictionary_) {
    configured_ = config.outputs;
  } else {
    OwnTensors own = OwnTensorsOf("output", specs_);
    own.open_ended = !known;
    TENSORFERRY_ASSIGN_OR_RETURN(Naming naming, FindOwnTensors(config.outputs, own));
    places_ = std::move(naming.indices);
    warning_ = std::move(naming.warning);
  }
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const TensorSpec own = known ? specs_[places_[i]] : TensorSpec{.name = specs[i].name};
    TENSORFERRY_RETURN_IF_ERROR(SettleStrings(own, batched, specs[i]));
  }
  specs_ = std::move(specs);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<NamedTensor>> TorchScriptOutputs::Named(const c10::IValue& value) const {
  if (value.isGenericDict()) return NamedByKey(value);
  std::vector<c10::IValue> own;
  own.reserve(value.isTuple() ? value.toTupleRef().elements().size() : 1);
  AddValues(value, own);
  return NamedByPlace(own);
}

absl::StatusOr<std::vector<NamedTensor>> TorchScriptOutputs::NamedByKey(const c10::IValue& dictionary) const {
  std::vector<NamedTensor> own;
  for (const auto& entry : dictionary.toGenericDict()) {
    own.push_back({entry.key().toStringRef(), entry.value().toTensor()});
  }
  if (specs_.empty()) return own;
  std::vector<NamedTensor> outputs;
  for (const TensorSpec& spec : specs_) {
    const auto found = std::ranges::find(own, spec.name, &NamedTensor::name);
    if (found == own.end()) break;
    outputs.push_back(*found);
  }
  if (outputs.size() == specs_.size()) return outputs;  // Each name is a key, as is usual.
  OwnTensors keys{.kind = "output", .tensors = {}, .strict = true};
  for (const NamedTensor& tensor : own) keys.tensors.push_back({tensor.name, keys.tensors.size()});
  const auto naming = FindOwnTensors(configured_, keys);
  if (!naming.ok()) return MakeError(Reason::kModelFailed, DescribeError(naming.status()).message);
  outputs.clear();
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    outputs.push_back({specs_[i].name, own[naming->indices[i]].tensor});
  }
  return outputs;
}

absl::StatusOr<std::vector<NamedTensor>> TorchScriptOutputs::NamedByPlace(std::span<const c10::IValue> own) const {
  std::vector<NamedTensor> outputs;
  outputs.reserve(own.size());
  if (specs_.empty()) {
    for (const c10::IValue& value : own) outputs.push_back(OneOutput(OutputName(outputs.size()), value));
    return outputs;
  }
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    if (places_[i] >= own.size()) {
      return MakeError(Reason::kModelFailed,
                       fmt::format("config.pbtxt: output {} is number {} of the model's list, which has {}",
                                   Quote(specs_[i].name), places_[i], own.size()));
    }
    outputs.push_back(OneOutput(specs_[i].name, own[places_[i]]));
  }
  return outputs;
}

}  // namespace tensorferry::inference
