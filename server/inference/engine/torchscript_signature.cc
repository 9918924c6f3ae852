#include "inference/engine/torchscript_signature.h"

#include <ATen/core/function.h>
#include <ATen/core/jit_type.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "inference/engine/tensor_names.h"
#include "inference/engine/torchscript_lists.h"
#include "inference/engine/torchscript_types.h"
#include "payload/strings.h"

namespace tensorferry::inference {
namespace {

bool IsOptionalTensor(const c10::TypePtr& type) {
  const auto optional = type->cast<c10::OptionalType>();
  return optional && IsTensor(optional->getElementType());
}

// Filling is what fills an argument: inputs, and how many of them each list in it has.
struct Filling {
  const ListLengths& lengths;
  std::vector<TensorSpec> inputs{};
  std::vector<std::size_t> lists{};
  std::string open_list{};  // The list of which it is not known how many tensors it has; empty: there is none.
};

// Adds what fills a value of this type. Returns false if no arrays can, or if it is not known how many.
bool AddInputs(const c10::TypePtr& type, const std::string& name, int depth, Filling& filling) {
  if (IsTensorOrStrings(type) || IsOptionalTensor(type)) {
    filling.inputs.push_back(SpecOfType(name, type));
    return true;
  }
  if (IsTensors(type)) {
    const auto length = filling.lengths.Of(name);
    if (!length) filling.open_list = name;
    filling.lists.push_back(length.value_or(0));
    for (std::size_t i = 0; i < filling.lists.back(); ++i) {
      filling.inputs.push_back({.name = fmt::format("{}[{}]", name, i)});
    }
    return length.has_value();
  }
  const auto tuple = type->cast<c10::TupleType>();
  if (!tuple || tuple->elements().empty() || depth > kMaxTupleDepth) return false;
  for (std::size_t i = 0; i < tuple->elements().size(); ++i) {
    const std::string element = fmt::format("{}[{}]", name, ElementName(*tuple, i));
    if (!AddInputs(tuple->elements()[i], element, depth + 1, filling)) return false;
  }
  return true;
}

absl::Status CannotFill(const c10::Argument& argument, const std::string& open_list) {
  if (open_list.empty()) {
    return MakeError(Reason::kModelNotReady, fmt::format("forward's argument {} is {}, which no array can fill",
                                                         Quote(argument.name()), argument.type()->str()));
  }
  return MakeError(Reason::kModelNotReady,
                   fmt::format("forward takes any number of tensors as {}; a config.pbtxt must say which there are, as "
                               "inputs {}, {} and so on",
                               Quote(open_list), Quote(open_list + "[0]"), Quote(open_list + "[1]")));
}

c10::List<std::string> ListOf(const at::Tensor& raw) {
  c10::List<std::string> list;
  const auto* const bytes = static_cast<const std::byte*>(raw.const_data_ptr());
  for (const std::string_view text : SplitStrings({bytes, raw.nbytes()})) list.emplace_back(text);
  return list;
}

}  // namespace

absl::StatusOr<TorchScriptSignature> TorchScriptSignature::Make(torch::jit::Function& forward,
                                                                const ModelConfig& config) {
  TorchScriptSignature signature;
  TENSORFERRY_RETURN_IF_ERROR(signature.ReadArguments(forward, config));
  if (!config.inputs.empty()) TENSORFERRY_RETURN_IF_ERROR(signature.ApplyInputs(config));
  TENSORFERRY_ASSIGN_OR_RETURN(signature.outputs_, TorchScriptOutputs::Make(forward, config));
  TENSORFERRY_RETURN_IF_ERROR(signature.CheckStrings(config));
  return signature;
}

absl::Status TorchScriptSignature::ReadArguments(torch::jit::Function& forward, const ModelConfig& config) {
  const std::vector<c10::Argument>& all = forward.getSchema().arguments();  // The first is `self`.
  for (auto own = all.begin() + 1; own != all.end(); ++own) arguments_.push_back({.own = *own});
  const auto has_default = [](const Argument& argument) { return argument.own.default_value().has_value(); };
  if (!arguments_.empty() && IsDictionary(arguments_.front().own.type()) &&
      std::all_of(arguments_.begin() + 1, arguments_.end(), has_default)) {
    takes_dictionary_ = true;
    return absl::OkStatus();
  }
  const ListLengths lengths(forward, config);
  for (Argument& argument : arguments_) {
    Filling filling{.lengths = lengths};
    if (AddInputs(argument.own.type(), argument.own.name(), 0, filling)) {
      argument.first_input = inputs_.size();
      argument.inputs = filling.inputs.size();
      argument.lists = std::move(filling.lists);
      for (TensorSpec& input : filling.inputs) {
        input.optional = has_default(argument);
        own_inputs_.push_back({input.name, input.name});
        inputs_.push_back(std::move(input));
      }
    } else if (!has_default(argument)) {
      return CannotFill(argument.own, filling.open_list);
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

// Returns the tensor that was sent for the next input, and moves `place` behind it.
absl::StatusOr<NamedTensor*> TorchScriptSignature::Take(Place& place, Sent& sent) const {
  NamedTensor* const found = Find(place.input, sent);
  if (found == nullptr) {
    const OwnInput& own = own_inputs_[place.input];
    const std::string& name = own.name.empty() ? own.own_name : own.name;
    return MakeError(Reason::kInputMismatch, fmt::format("the model's input {} is missing", Quote(name)),
                     {.field = "arrays", .expected = name});
  }
  ++place.input;
  return found;
}

absl::StatusOr<c10::IValue> TorchScriptSignature::FillList(Place& place, Sent& sent) const {
  c10::List<at::Tensor> list;
  for (std::size_t left = *place.list++; left > 0; --left) {
    TENSORFERRY_ASSIGN_OR_RETURN(NamedTensor* const element, Take(place, sent));
    list.push_back(std::move(element->tensor));
  }
  return c10::IValue(std::move(list));
}

// Makes the value of an argument, or of an element of one, from the inputs that begin at `place`, and moves `place`
// behind them.
absl::StatusOr<c10::IValue> TorchScriptSignature::Fill(const c10::TypePtr& type, Place& place, Sent& sent) const {
  if (const auto tuple = type->cast<c10::TupleType>()) {
    std::vector<c10::IValue> elements;
    for (const c10::TypePtr& element : tuple->elements()) {
      TENSORFERRY_ASSIGN_OR_RETURN(c10::IValue value, Fill(element, place, sent));
      elements.push_back(std::move(value));
    }
    return tuple->schema() ? c10::ivalue::Tuple::createNamed(std::move(elements), tuple)
                           : c10::ivalue::Tuple::create(std::move(elements));
  }
  if (IsTensors(type)) return FillList(place, sent);
  TENSORFERRY_ASSIGN_OR_RETURN(NamedTensor* const found, Take(place, sent));
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
    if (argument.own.default_value()) {
      std::size_t input = argument.first_input;
      const std::size_t end = input + argument.inputs;
      while (input < end && Find(input, inputs) == nullptr) ++input;
      if (input == end) {  // Nothing of it was sent.
        values.push_back(*argument.own.default_value());
        continue;
      }
    }
    Place place{.input = argument.first_input, .list = argument.lists.data()};
    TENSORFERRY_ASSIGN_OR_RETURN(c10::IValue value, Fill(argument.own.type(), place, inputs));
    values.push_back(std::move(value));
  }
  return values;
}

}  // namespace tensorferry::inference
