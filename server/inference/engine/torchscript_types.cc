#include "inference/engine/torchscript_types.h"

#include <ATen/core/function_schema.h>
#include <fmt/format.h>

#include <utility>

#include "base/status.h"

namespace tensorferry::inference {

bool IsTensor(const c10::TypePtr& type) { return type->isSubtypeOf(*c10::TensorType::get()); }

bool IsStrings(const c10::TypePtr& type) {
  const auto list = type->cast<c10::ListType>();
  return list && list->getElementType()->kind() == c10::TypeKind::StringType;
}

bool IsDictionary(const c10::TypePtr& type) {
  const auto dict = type->cast<c10::DictType>();
  return dict && IsTensor(dict->getValueType()) && dict->getKeyType()->kind() == c10::TypeKind::StringType;
}

bool IsTensors(const c10::TypePtr& type) {
  const auto list = type->cast<c10::ListType>();
  return list && IsTensor(list->getElementType());
}

bool IsTensorOrStrings(const c10::TypePtr& type) { return IsTensor(type) || IsStrings(type); }

std::string ElementName(const c10::TupleType& tuple, std::size_t index) {
  return tuple.schema() ? tuple.schema()->arguments()[index].name() : fmt::to_string(index);
}

TensorSpec SpecOfType(std::string name, const c10::TypePtr& type) {
  TensorSpec spec{.name = std::move(name)};
  if (!IsStrings(type)) return spec;
  spec.dtype = kStrings;
  spec.shape = {-1};
  return spec;
}

absl::Status BadStrings(const std::string& name) {
  return MakeError(Reason::kModelNotReady,
                   fmt::format("config.pbtxt: {}: strings have one dimension, and max_batch_size 0", Quote(name)));
}

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

}  // namespace tensorferry::inference
