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

// Adds the inputs that fill an argument of this type. Returns false if no arrays can.
bool AddInputs(const c10::TypePtr& type, const std::string& name, int depth, std::vector<TensorSpec>& inputs) {
  if (IsTensorOrStrings(type) || IsOptionalTensor(type)) {
    inputs.push_back(SpecOfType(name, type));
    return true;
  }
  const auto tuple = type->cast<c10::TupleType>();
  if (!tuple || tuple->elements().empty() || depth > kMaxTupleDepth) return false;
  for (std::size_t i = 0; i < tuple->elements().size(); ++i) {
    const std::string element = fmt::format("{}[{}]", name, ElementName(*tuple, i));
    if (!AddInputs(tuple->elements()[i], element, depth + 1, inputs)) return false;
  }
  return true;
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
  const std::vector<c10::Argument>& all = forward.arguments();  // The first is `self`.
  for (auto own = all.begin() + 1; own != all.end(); ++own) arguments_.push_back({.own = *own});
  const auto has_default = [](const Argument& argument) { return argument.own.default_value().has_value(); };
  if (!arguments_.empty() && IsDictionary(arguments_.front().own.type()) &&
      std::all_of(arguments_.begin() + 1, arguments_.end(), has_default)) {
    takes_dictionary_ = true;
    return absl::OkStatus();
  }
  for (Argument& argument : arguments_) {
    std::vector<TensorSpec> inputs;
    if (AddInputs(argument.own.type(), argument.own.name(), 0, inputs)) {
      argument.first_input = inputs_.size();
      argument.inputs = inputs.size();
      for (TensorSpec& input : inputs) {
        input.optional = has_default(argument);
        own_inputs_.push_back({input.name, input.name});
        inputs_.push_back(std::move(input));
      }
    } else if (!has_default(argument)) {
      return MakeError(Reason::kModelNotReady, fmt::format("forward's argument {} is {}, which no array can fill",
                                                           Quote(argument.own.name()), argument.own.type()->str()));
    }
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
  for (OwnInput& own : own_inputs_) own.name.clear();
  for (std::size_t i = 0; i < places.size(); ++i) {
    const TensorSpec& own = inputs_[places[i]];
    TENSORFERRY_RETURN_IF_ERROR(SettleStrings(own, batched, inputs[i]));
    inputs[i].optional = inputs[i].optional || own.optional;
    own_inputs_[places[i]].name = inputs[i].name;
  }
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

NamedTensor* TorchScriptSignature::Find(std::size_t input, Sent& sent) const {
  const std::string& name = own_inputs_[input].name;
  const auto found = name.empty() ? sent.end() : std::ranges::find(sent, name, &NamedTensor::name);
  return found == sent.end() ? nullptr : &*found;
}

// Makes the value of an argument, or of an element of one, from the inputs that begin with `input`, and moves `input`
// behind them.
absl::StatusOr<c10::IValue> TorchScriptSignature::Fill(const c10::TypePtr& type, std::size_t& input, Sent& sent) const {
  if (const auto tuple = type->cast<c10::TupleType>()) {
    std::vector<c10::IValue> elements;
    for (const c10::TypePtr& element : tuple->elements()) {
      TENSORFERRY_ASSIGN_OR_RETURN(c10::IValue value, Fill(element, input, sent));
      elements.push_back(std::move(value));
    }
    return tuple->schema() ? c10::ivalue::Tuple::createNamed(std::move(elements), tuple)
                           : c10::ivalue::Tuple::create(std::move(elements));
  }
  NamedTensor* const found = Find(input, sent);
  if (found == nullptr) {
    const OwnInput& own = own_inputs_[input];
    const std::string& name = own.name.empty() ? own.own_name : own.name;
    return MakeError(Reason::kInputMismatch, fmt::format("the model's input {} is missing", Quote(name)),
                     {.field = "arrays", .expected = name});
  }
  ++input;
  return IsStrings(type) ? c10::IValue(ListOf(found->tensor)) : c10::IValue(std::move(found->tensor));
}

absl::StatusOr<std::vector<c10::IValue>> TorchScriptSignature::Arguments(std::vector<NamedTensor> inputs) const {
  std::vector<c10::IValue> values;
  if (takes_dictionary_) {
    c10::Dict<std::string, at::Tensor> dictionary;
    for (NamedTensor& input : inputs) dictionary.insert(input.name, std::move(input.tensor));
    values.emplace_back(std::move(dictionary));
    for (std::size_t i = 1; i < arguments_.size(); ++i) values.push_back(*arguments_[i].own.default_value());
    return values;
  }
  for (const Argument& argument : arguments_) {
    std::size_t input = argument.first_input;
    const std::size_t end = input + argument.inputs;
    const bool has_default = argument.own.default_value().has_value();
    if (has_default) {
      while (input < end && Find(input, inputs) == nullptr) ++input;
      if (input == end) {  // Nothing of it was sent.
        values.push_back(*argument.own.default_value());
        continue;
      }
      input = argument.first_input;
    }
    TENSORFERRY_ASSIGN_OR_RETURN(c10::IValue value, Fill(argument.own.type(), input, inputs));
    values.push_back(std::move(value));
  }
  return values;
}

}  // namespace tensorferry::inference
