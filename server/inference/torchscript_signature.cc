#include "inference/torchscript_signature.h"

#include <ATen/core/jit_type.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/status.h"
#include "inference/tensor_names.h"

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

// The outputs that a return type names; nothing if it is not made of tensors. A list or dictionary names none.
std::optional<std::vector<TensorSpec>> OutputsOfType(const c10::TypePtr& type) {
  std::vector<TensorSpec> outputs;
  if (IsTensor(type)) {
    outputs.push_back({.name = OutputName(0)});
    return outputs;
  }
  if (const auto tuple = type->cast<c10::TupleType>()) {
    if (!std::ranges::all_of(tuple->elements(), IsTensor)) return std::nullopt;
    for (std::size_t i = 0; i < tuple->elements().size(); ++i) {
      outputs.push_back({.name = tuple->schema() ? tuple->schema()->arguments()[i].name() : OutputName(i)});
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
  arguments_.assign(forward.arguments().begin() + 1, forward.arguments().end());  // Without `self`.
  if (!arguments_.empty() && IsDictionary(arguments_.front().type()) &&
      std::all_of(arguments_.begin() + 1, arguments_.end(), [](const auto& other) { return other.default_value(); })) {
    takes_dictionary_ = true;
    names_.resize(arguments_.size());
    return absl::OkStatus();
  }
  for (const c10::Argument& argument : arguments_) {
    const bool takes_array = IsTensor(argument.type()) || IsOptionalTensor(argument.type());
    if (takes_array) {
      inputs_.push_back({.name = argument.name(), .optional = argument.default_value().has_value()});
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
  const bool batched = config.max_batch_size > 0;
  if (!config.inputs.empty()) {
    std::vector<TensorSpec> inputs;
    for (const ConfiguredTensor& input : config.inputs) inputs.push_back(SpecOf(input, batched));
    if (!takes_dictionary_) {
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
        inputs[i].optional = inputs[i].optional || own.optional;
        names[static_cast<std::size_t>(std::ranges::find(names_, own.name) - names_.begin())] = inputs[i].name;
      }
      names_ = std::move(names);
    }
    inputs_ = std::move(inputs);
  }
  if (!config.outputs.empty()) {
    std::vector<TensorSpec> outputs;
    for (const ConfiguredTensor& output : config.outputs) outputs.push_back(SpecOf(output, batched));
    if (!outputs_.empty()) {
      const auto places = PlacesOf(config.outputs, NamesOf(outputs_));
      if (!places) return DoesNotFit("outputs", config.outputs.size(), outputs_.size());
      output_places_ = *places;
    }
    outputs_ = std::move(outputs);
  }
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
      values.emplace_back(std::move(input->tensor));
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
  std::vector<at::Tensor> own;
  if (value.isTensor()) {
    own.push_back(value.toTensor());
  } else if (value.isTuple()) {
    for (const c10::IValue& element : value.toTupleRef().elements()) own.push_back(element.toTensor());
  } else if (value.isTensorList()) {
    own = value.toTensorVector();
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

absl::StatusOr<std::vector<NamedTensor>> TorchScriptSignature::NamedByPlace(std::span<const at::Tensor> own) const {
  std::vector<NamedTensor> outputs;
  outputs.reserve(own.size());
  if (outputs_.empty()) {
    for (const at::Tensor& tensor : own) outputs.push_back({OutputName(outputs.size()), tensor});
    return outputs;
  }
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const std::size_t place = output_places_.empty() ? i : output_places_[i];
    if (place >= own.size()) return NoSuchOutput(own.size(), outputs_[i].name);
    outputs.push_back({outputs_[i].name, own[place]});
  }
  return outputs;
}

}  // namespace tensorferry::inference
