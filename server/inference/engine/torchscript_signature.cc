#include "inference/engine/torchscript_signature.h"

#include <ATen/core/jit_type.h>
#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "base/status.h"
#include "inference/engine/tensor_names.h"
#include "payload/strings.h"

namespace tensorferry::inference {
namespace {

bool IsTensor(const c10::TypePtr& type) { return type->isSubtypeOf(*c10::TensorType::get()); }

bool IsOptionalTensor(const c10::TypePtr& type) {
  const auto optional = type->cast<c10::OptionalType>();
  return optional && IsTensor(optional->getElementType());
}

bool IsDictionary(const c10::TypePtr& type) {
  const auto dict = type->cast<c10::DictType>();
  return dict && IsTensor(dict->getValueType()) && dict->getKeyType()->kind() == c10::TypeKind::StringType;
}

bool IsStrings(const c10::TypePtr& type) {
  const auto list = type->cast<c10::ListType>();
  return list && list->getElementType()->kind() == c10::TypeKind::StringType;
}

bool IsSent(const c10::TypePtr& type) { return IsTensor(type) || IsStrings(type); }

TensorSpec SpecOfOwn(std::string name, const c10::TypePtr& type) {
  TensorSpec spec{.name = std::move(name)};
  if (!IsStrings(type)) return spec;
  spec.dtype = kStrings;
  spec.shape = {-1};
  return spec;
}

// Returns the outputs that a return type names: none for a list or dictionary. Returns nothing if the type is not made
// of tensors.
std::optional<std::vector<TensorSpec>> OutputsOfType(const c10::TypePtr& type) {
  std::vector<TensorSpec> outputs;
  if (IsSent(type)) {
    outputs.push_back(SpecOfOwn(OutputName(0), type));
    return outputs;
  }
  if (const auto tuple = type->cast<c10::TupleType>()) {
    if (!std::ranges::all_of(tuple->elements(), IsSent)) return std::nullopt;
    for (std::size_t i = 0; i < tuple->elements().size(); ++i) {
      const std::string name = tuple->schema() ? tuple->schema()->arguments()[i].name() : OutputName(i);
      outputs.push_back(SpecOfOwn(name, tuple->elements()[i]));
    }
    return outputs;
  }
  if (const auto list = type->cast<c10::ListType>(); list && IsTensor(list->getElementType())) return outputs;
  if (IsDictionary(type)) return outputs;
  return std::nullopt;
}

std::vector<std::string> NamesOf(const std::vector<TensorSpec>& specs) {
  std::vector<std::string> names;
  for (const TensorSpec& spec : specs) names.push_back(spec.name);
  return names;
}

absl::Status DoesNotFit(std::string_view what, std::size_t configured, std::size_t own) {
  return MakeError(
      Reason::kModelNotReady,
      fmt::format("config.pbtxt has {} {}, but the model {}; their names must be the model's own, or end in "
                  "__ and the place, or stand in the model's order",
                  configured, what, own));
}

absl::Status BadStrings(std::string_view name) {
  return MakeError(Reason::kModelNotReady,
                   fmt::format("config.pbtxt: {}: strings have one dimension, and max_batch_size 0", Quote(name)));
}

// Checks strings: a model takes and gives them as lists, which have one dimension and no batch. A dtype that is missing
// is filled in.
absl::Status SettleStrings(const TensorSpec& own, bool batched, TensorSpec& configured) {
  if (configured.dtype.empty() && own.dtype == kStrings) configured.dtype = kStrings;
  const bool strings = configured.dtype == kStrings;
  if (strings != (own.dtype == kStrings)) {
    return MakeError(Reason::kModelNotReady, fmt::format("config.pbtxt: {} is {}, but the model's {} is {}",
                                                         Quote(configured.name), strings ? "of strings" : "no strings",
                                                         Quote(own.name), strings ? "a tensor" : "a list of strings"));
  }
  return strings && (batched || configured.shape.size() != 1) ? BadStrings(configured.name) : absl::OkStatus();
}

// Returns the strings in their raw form, as a tensor of bytes.
NamedTensor TensorOfStrings(const std::string& name, const c10::IValue& value) {
  std::string raw;
  const c10::List<c10::IValue> list = value.toList();
  for (const c10::IValue& element : list) AppendString(element.toStringRef(), raw);
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(raw.size())}, at::kByte);
  if (!raw.empty()) std::memcpy(tensor.mutable_data_ptr(), raw.data(), raw.size());
  return NamedTensor{name, std::move(tensor), Shape{static_cast<std::int64_t>(list.size())}};
}

c10::List<std::string> ListOf(const at::Tensor& raw) {
  c10::List<std::string> list;
  const auto* const bytes = static_cast<const std::byte*>(raw.const_data_ptr());
  for (const std::string_view text : SplitStrings({bytes, raw.nbytes()})) list.emplace_back(text);
  return list;
}

bool IsListOfStrings(const c10::IValue& value) {
  return value.isList() && value.toList().elementType()->kind() == c10::TypeKind::StringType;
}

NamedTensor OneOutput(const std::string& name, const c10::IValue& value) {
  if (IsListOfStrings(value)) return TensorOfStrings(name, value);
  return NamedTensor{name, value.toTensor()};
}

absl::Status NoSuchOutput(std::size_t returned, std::string_view name) {
  return MakeError(Reason::kModelFailed,
                   fmt::format("the model returned {} tensors, and output {} is none of them", returned, Quote(name)));
}

}  // namespace

absl::StatusOr<TorchScriptSignature> TorchScriptSignature::Make(const c10::FunctionSchema& forward,
                                                                const ModelConfig& config) {
  TorchScriptSignature signature;
  TENSORFERRY_RETURN_IF_ERROR(signature.ReadArguments(forward));
  TENSORFERRY_RETURN_IF_ERROR(signature.ReadReturns(forward));
  TENSORFERRY_RETURN_IF_ERROR(signature.ApplyConfig(config));
  return signature;
}

absl::Status TorchScriptSignature::ReadArguments(const c10::FunctionSchema& forward) {
  arguments_.assign(forward.arguments().begin() + 1, forward.arguments().end());  // The first argument is `self`.
  if (!arguments_.empty() && IsDictionary(arguments_.front().type()) &&
      std::all_of(arguments_.begin() + 1, arguments_.end(), [](const auto& other) { return other.default_value(); })) {
    takes_dictionary_ = true;
    names_.resize(arguments_.size());
    return absl::OkStatus();
  }
  for (const c10::Argument& argument : arguments_) {
    const bool takes_array = IsSent(argument.type()) || IsOptionalTensor(argument.type());
    if (takes_array) {
      inputs_.push_back(SpecOfOwn(argument.name(), argument.type()));
      inputs_.back().optional = argument.default_value().has_value();
    } else if (!argument.default_value()) {
      return MakeError(Reason::kModelNotReady, fmt::format("forward's argument {} is {}, which no array can fill",
                                                           Quote(argument.name()), argument.type()->str()));
    }
    names_.push_back(takes_array ? argument.name() : "");
  }
  return absl::OkStatus();
}

absl::Status TorchScriptSignature::ReadReturns(const c10::FunctionSchema& forward) {
  const c10::TypePtr& type = forward.returns().front().type();
  auto outputs = OutputsOfType(type);
  if (!outputs) {
    return MakeError(Reason::kModelNotReady,
                     fmt::format("forward returns {}; tensors, or a flat tuple, list or dictionary of tensors by name, "
                                 "can be sent",
                                 type->str()));
  }
  outputs_ = *std::move(outputs);
  return absl::OkStatus();
}

absl::Status TorchScriptSignature::ApplyConfig(const ModelConfig& config) {
  if (!config.inputs.empty()) TENSORFERRY_RETURN_IF_ERROR(ApplyInputs(config));
  if (!config.outputs.empty()) TENSORFERRY_RETURN_IF_ERROR(ApplyOutputs(config));
  for (const auto* specs : {&inputs_, &outputs_}) {
    const auto strings = std::ranges::find(*specs, kStrings, &TensorSpec::dtype);
    if (config.max_batch_size > 0 && strings != specs->end()) return BadStrings(strings->name);
  }
  return absl::OkStatus();
}

absl::Status TorchScriptSignature::ApplyInputs(const ModelConfig& config) {
  const bool batched = config.max_batch_size > 0;
  std::vector<TensorSpec> inputs;
  for (const ConfiguredTensor& input : config.inputs) inputs.push_back(SpecOf(input, batched));
  if (takes_dictionary_) {
    inputs_ = std::move(inputs);
    return absl::OkStatus();
  }
  const auto places = PlacesOf(config.inputs, NamesOf(inputs_));
  if (!places) return DoesNotFit("inputs", config.inputs.size(), inputs_.size());
  for (std::size_t own = 0; own < inputs_.size(); ++own) {
    if (inputs_[own].optional || std::ranges::find(*places, own) != places->end()) continue;
    return MakeError(Reason::kModelNotReady,
                     fmt::format("config.pbtxt has no input for forward's argument {}", Quote(inputs_[own].name)));
  }
  std::vector<std::string> names(names_.size());
  for (std::size_t i = 0; i < places->size(); ++i) {
    const TensorSpec& own = inputs_[(*places)[i]];
    TENSORFERRY_RETURN_IF_ERROR(SettleStrings(own, batched, inputs[i]));
    inputs[i].optional = inputs[i].optional || own.optional;
    names[static_cast<std::size_t>(std::ranges::find(names_, own.name) - names_.begin())] = inputs[i].name;
  }
  names_ = std::move(names);
  inputs_ = std::move(inputs);
  return absl::OkStatus();
}

absl::Status TorchScriptSignature::ApplyOutputs(const ModelConfig& config) {
  const bool batched = config.max_batch_size > 0;
  std::vector<TensorSpec> outputs;
  for (const ConfiguredTensor& output : config.outputs) outputs.push_back(SpecOf(output, batched));
  if (!outputs_.empty()) {
    const auto places = PlacesOf(config.outputs, NamesOf(outputs_));
    if (!places) return DoesNotFit("outputs", config.outputs.size(), outputs_.size());
    output_places_ = *places;
    for (std::size_t i = 0; i < places->size(); ++i) {
      TENSORFERRY_RETURN_IF_ERROR(SettleStrings(outputs_[(*places)[i]], batched, outputs[i]));
    }
  }
  outputs_ = std::move(outputs);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<c10::IValue>> TorchScriptSignature::Arguments(std::vector<NamedTensor> inputs) const {
  std::vector<c10::IValue> values;
  if (takes_dictionary_) {
    c10::Dict<std::string, at::Tensor> dictionary;
    for (NamedTensor& input : inputs) dictionary.insert(input.name, std::move(input.tensor));
    values.emplace_back(std::move(dictionary));
    for (std::size_t i = 1; i < arguments_.size(); ++i) values.push_back(*arguments_[i].default_value());
    return values;
  }
  for (std::size_t i = 0; i < arguments_.size(); ++i) {
    const auto input = names_[i].empty() ? inputs.end() : std::ranges::find(inputs, names_[i], &NamedTensor::name);
    if (input != inputs.end()) {
      if (IsStrings(arguments_[i].type())) {
        values.emplace_back(ListOf(input->tensor));
      } else {
        values.emplace_back(std::move(input->tensor));
      }
    } else if (arguments_[i].default_value()) {
      values.push_back(*arguments_[i].default_value());
    } else {
      const std::string& name = names_[i].empty() ? arguments_[i].name() : names_[i];
      return MakeError(Reason::kInputMismatch, fmt::format("the model's input {} is missing", Quote(name)),
                       {.field = "arrays", .expected = name});
    }
  }
  return values;
}

absl::StatusOr<std::vector<NamedTensor>> TorchScriptSignature::Outputs(const c10::IValue& value) const {
  if (value.isGenericDict()) return NamedByKey(value);
  std::vector<c10::IValue> own;
  if (value.isTensor() || IsListOfStrings(value)) {
    own.push_back(value);
  } else if (value.isTuple()) {
    own = value.toTupleRef().elements().vec();
  } else if (value.isTensorList()) {
    for (at::Tensor& tensor : value.toTensorVector()) own.emplace_back(std::move(tensor));
  } else {
    return MakeError(Reason::kModelFailed, fmt::format("the model returned {} instead of tensors", value.tagKind()));
  }
  return NamedByPlace(own);
}

absl::StatusOr<std::vector<NamedTensor>> TorchScriptSignature::NamedByKey(const c10::IValue& dictionary) const {
  std::vector<NamedTensor> own;
  for (const auto& entry : dictionary.toGenericDict()) {
    own.push_back({entry.key().toStringRef(), entry.value().toTensor()});
  }
  if (outputs_.empty()) return own;
  std::vector<NamedTensor> outputs;
  for (const TensorSpec& output : outputs_) {
    const auto source = std::ranges::find(own, output.name, &NamedTensor::name);
    if (source == own.end()) return NoSuchOutput(own.size(), output.name);
    outputs.push_back(*source);
  }
  return outputs;
}

absl::StatusOr<std::vector<NamedTensor>> TorchScriptSignature::NamedByPlace(std::span<const c10::IValue> own) const {
  std::vector<NamedTensor> outputs;
  outputs.reserve(own.size());
  if (outputs_.empty()) {
    for (const c10::IValue& value : own) {
      outputs.push_back(OneOutput(OutputName(outputs.size()), value));
    }
    return outputs;
  }
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const std::size_t place = output_places_.empty() ? i : output_places_[i];
    if (place >= own.size()) return NoSuchOutput(own.size(), outputs_[i].name);
    outputs.push_back(OneOutput(outputs_[i].name, own[place]));
  }
  return outputs;
}

}  // namespace tensorferry::inference
