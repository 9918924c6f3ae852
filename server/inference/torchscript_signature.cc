#include "inference/torchscript_signature.h"

#include <ATen/core/jit_type.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/status.h"

namespace tensorferry::inference {
namespace {

std::string PositionalName(std::size_t index) { return fmt::format("OUTPUT__{}", index); }

bool IsTensor(const c10::TypePtr& type) { return type->isSubtypeOf(*c10::TensorType::get()); }

bool IsOptionalTensor(const c10::TypePtr& type) {
  const auto optional = type->cast<c10::OptionalType>();
  return optional && IsTensor(optional->getElementType());
}

// The outputs that a return type names; nothing if it is not made of tensors. A list or dictionary names none.
std::optional<std::vector<TensorSpec>> OutputsOfType(const c10::TypePtr& type) {
  std::vector<TensorSpec> outputs;
  if (IsTensor(type)) {
    outputs.push_back({.name = PositionalName(0)});
    return outputs;
  }
  if (const auto tuple = type->cast<c10::TupleType>()) {
    if (!std::ranges::all_of(tuple->elements(), IsTensor)) return std::nullopt;
    for (std::size_t i = 0; i < tuple->elements().size(); ++i) {
      outputs.push_back({.name = tuple->schema() ? tuple->schema()->arguments()[i].name() : PositionalName(i)});
    }
    return outputs;
  }
  if (const auto list = type->cast<c10::ListType>(); list && IsTensor(list->getElementType())) return outputs;
  if (const auto dict = type->cast<c10::DictType>();
      dict && IsTensor(dict->getValueType()) && dict->getKeyType()->kind() == c10::TypeKind::StringType) {
    return outputs;
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<TorchScriptSignature> TorchScriptSignature::Make(const c10::FunctionSchema& forward) {
  TorchScriptSignature signature;
  for (const c10::Argument& argument : forward.arguments()) {
    if (&argument == &forward.arguments().front()) continue;  // self
    if (IsTensor(argument.type()) || IsOptionalTensor(argument.type())) {
      signature.inputs_.push_back({.name = argument.name()});
    } else if (!argument.default_value()) {
      return MakeError(Reason::kModelNotReady, fmt::format("forward's argument {} is {}, which no array can fill",
                                                           Quote(argument.name()), argument.type()->str()));
    }
    signature.arguments_.push_back(argument);
  }
  const c10::TypePtr& type = forward.returns().front().type();
  auto outputs = OutputsOfType(type);
  if (!outputs) {
    return MakeError(Reason::kModelNotReady,
                     fmt::format("forward returns {}; tensors, or a flat tuple, list or dictionary of tensors by name, "
                                 "can be sent",
                                 type->str()));
  }
  signature.outputs_ = *std::move(outputs);
  return signature;
}

absl::StatusOr<std::vector<c10::IValue>> TorchScriptSignature::Arguments(std::vector<NamedTensor> inputs) const {
  std::vector<c10::IValue> values;
  for (const c10::Argument& argument : arguments_) {
    const auto input = std::ranges::find(inputs, argument.name(), &NamedTensor::name);
    if (input != inputs.end()) {
      values.emplace_back(std::move(input->tensor));
    } else if (argument.default_value()) {
      values.push_back(*argument.default_value());
    } else {
      return MakeError(Reason::kInputMismatch, fmt::format("the model's input {} is missing", Quote(argument.name())),
                       {.field = "arrays", .expected = argument.name()});
    }
  }
  return values;
}

absl::StatusOr<std::vector<NamedTensor>> TorchScriptSignature::Outputs(const c10::IValue& value) const {
  std::vector<NamedTensor> outputs;
  if (value.isTensor()) {
    outputs.push_back({outputs_.front().name, value.toTensor()});
  } else if (value.isTuple()) {
    const auto& elements = value.toTupleRef().elements();
    for (std::size_t i = 0; i < elements.size(); ++i) outputs.push_back({outputs_[i].name, elements[i].toTensor()});
  } else if (value.isTensorList()) {
    for (const at::Tensor& tensor : value.toTensorVector()) outputs.push_back({PositionalName(outputs.size()), tensor});
  } else if (value.isGenericDict()) {
    for (const auto& entry : value.toGenericDict()) {
      outputs.push_back({entry.key().toStringRef(), entry.value().toTensor()});
    }
  } else {
    return MakeError(Reason::kModelFailed, fmt::format("the model returned {} instead of tensors", value.tagKind()));
  }
  return outputs;
}

}  // namespace tensorferry::inference
