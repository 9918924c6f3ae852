#include "inference/engine/torchscript_signature.h"

#include <ATen/core/jit_type.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "inference/engine/tensor_names.h"
#include "inference/engine/torchscript_types.h"
#include "payload/strings.h"

namespace tensorferry::inference {
namespace {

bool IsOptionalTensor(const c10::TypePtr& type) {
  const auto optional = type->cast<c10::OptionalType>();
  return optional && IsTensor(optional->getElementType());
}

c10::List<std::string> ListOf(const at::Tensor& raw) {
  c10::List<std::string> list;
  const auto* const bytes = static_cast<const std::byte*>(raw.const_data_ptr());
  for (const std::string_view text : SplitStrings({bytes, raw.nbytes()})) list.emplace_back(text);
  return list;
}

}  // namespace

absl::StatusOr<TorchScriptSignature> TorchScriptSignature::Make(const c10::FunctionSchema& forward,
                                                                const ModelConfig& config) {
  TorchScriptSignature signature;
  TENSORFERRY_RETURN_IF_ERROR(signature.ReadArguments(forward));
  if (!config.inputs.empty()) TENSORFERRY_RETURN_IF_ERROR(signature.ApplyInputs(config));
  TENSORFERRY_ASSIGN_OR_RETURN(signature.outputs_, TorchScriptOutputs::Make(forward.returns().front().type(), config));
  TENSORFERRY_RETURN_IF_ERROR(signature.CheckStrings(config));
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
    const bool takes_array = IsTensorOrStrings(argument.type()) || IsOptionalTensor(argument.type());
    if (takes_array) {
      inputs_.push_back(SpecOfType(argument.name(), argument.type()));
      inputs_.back().optional = argument.default_value().has_value();
    } else if (!argument.default_value()) {
      return MakeError(Reason::kModelNotReady, fmt::format("forward's argument {} is {}, which no array can fill",
                                                           Quote(argument.name()), argument.type()->str()));
    }
    names_.push_back(takes_array ? argument.name() : "");
  }
  return absl::OkStatus();
}

absl::Status TorchScriptSignature::CheckStrings(const ModelConfig& config) const {
  for (const auto* specs : {&inputs_, &outputs_.specs()}) {
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
    for (TensorSpec& input : inputs) TENSORFERRY_RETURN_IF_ERROR(SettleStrings({.name = input.name}, batched, input));
    inputs_ = std::move(inputs);
    return absl::OkStatus();
  }
  TENSORFERRY_ASSIGN_OR_RETURN(const Naming naming, FindOwnTensors(config.inputs, OwnTensorsOf("input", inputs_)));
  const std::vector<std::size_t>& places = naming.indices;
  for (std::size_t own = 0; own < inputs_.size(); ++own) {
    if (inputs_[own].optional || std::ranges::find(places, own) != places.end()) continue;
    return MakeError(Reason::kModelNotReady,
                     fmt::format("config.pbtxt has no input for forward's argument {}", Quote(inputs_[own].name)));
  }
  std::vector<std::string> names(names_.size());
  for (std::size_t i = 0; i < places.size(); ++i) {
    const TensorSpec& own = inputs_[places[i]];
    TENSORFERRY_RETURN_IF_ERROR(SettleStrings(own, batched, inputs[i]));
    inputs[i].optional = inputs[i].optional || own.optional;
    names[static_cast<std::size_t>(std::ranges::find(names_, own.name) - names_.begin())] = inputs[i].name;
  }
  names_ = std::move(names);
  inputs_ = std::move(inputs);
  warning_ = naming.warning;
  return absl::OkStatus();
}

std::vector<std::string> TorchScriptSignature::warnings() const {
  std::vector<std::string> warnings;
  for (const std::string& warning : {warning_, outputs_.warning()}) {
    if (!warning.empty()) warnings.push_back(warning);
  }
  return warnings;
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

}  // namespace tensorferry::inference
