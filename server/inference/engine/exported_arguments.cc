#include "inference/engine/exported_arguments.h"

#include <ATen/ScalarOps.h>
#include <fmt/format.h>

#include <utility>

#include "base/status.h"
#include "inference/engine/exported_constants.h"
#include "inference/engine/refuse_model.h"

namespace tensorferry::inference {
namespace {

// Returns what a value of the kind becomes where an operator takes `type`; nothing if it takes none.
std::optional<BlockArgument::As> Conversion(ValueKind kind, const c10::Type& type) {
  using As = BlockArgument::As;
  const auto takes = [&](bool itself) { return itself ? std::optional(As::kItself) : std::nullopt; };
  switch (type.kind()) {
    case c10::TypeKind::TensorType: return kind == ValueKind::kTensor ? As::kItself : As::kTensor;
    case c10::TypeKind::FloatType:
      if (kind == ValueKind::kInt) return As::kFloat;
      return takes(kind == ValueKind::kFloat);
    case c10::TypeKind::IntType: return takes(kind == ValueKind::kInt);
    case c10::TypeKind::BoolType: return takes(kind == ValueKind::kBool);
    case c10::TypeKind::NumberType: return takes(kind != ValueKind::kTensor);
    default: return std::nullopt;
  }
}

// Wanted is a type that an operator takes: `type` without "optional", and the type that says what a number stands for.
struct Wanted {
  c10::TypePtr type, real_type;
  bool optional = false;
  at::Device device;
};

c10::TypePtr WithoutOptional(const c10::TypePtr& type) {
  const auto optional = type->cast<c10::OptionalType>();
  return optional ? optional->getElementType() : type;
}

absl::StatusOr<BlockArgument> BindOne(const ExportedValue& given, const Wanted& wanted, const ExportedValues& values) {
  if (given.name.empty()) {
    if (given.constant.isNone()) {
      if (wanted.optional) return BlockArgument{};
      return RefuseModel(fmt::format("it is None, expected {}", wanted.type->str()));
    }
    auto constant = FitConstant(given.constant, *wanted.type, wanted.device);
    if (!constant) {
      return RefuseModel(fmt::format("it is {}, expected {}", given.constant.tagKind(), wanted.type->str()));
    }
    return BlockArgument{.constant = *std::move(constant)};
  }
  TENSORFERRY_ASSIGN_OR_RETURN(const ExportedValues::Defined value, values.Find(given.name));
  const auto as = Conversion(value.kind, *wanted.type);
  if (!as) {
    return RefuseModel(
        fmt::format("{} is none of the kind {} that the operator takes", Quote(given.name), wanted.type->str()));
  }
  return BlockArgument{.from = BlockArgument::From::kSlot, .as = *as, .slot = value.slot};
}

absl::StatusOr<BlockArgument> BindList(const ExportedArgument& given, const Wanted& wanted,
                                       const ExportedValues& values) {
  const c10::TypePtr element = wanted.type->castRaw<c10::ListType>()->getElementType();
  const Wanted item{.type = WithoutOptional(element),
                    .real_type = {},
                    .optional = element->kind() == c10::TypeKind::OptionalType,
                    .device = wanted.device};
  BlockArgument list{.from = BlockArgument::From::kList, .element = element};
  bool is_constant = true;
  for (const ExportedValue& value : given.items) {
    TENSORFERRY_ASSIGN_OR_RETURN(BlockArgument bound, BindOne(value, item, values));
    is_constant = is_constant && bound.from == BlockArgument::From::kConstant;
    list.items.push_back(std::move(bound));
  }
  if (!is_constant) return list;
  c10::impl::GenericList constant(element);
  for (const BlockArgument& value : list.items) constant.push_back(value.constant);
  return BlockArgument{.constant = std::move(constant)};
}

// Checks that a number which stands for a dtype, layout or memory format came as one.
absl::Status CheckMeaning(const ExportedArgument& given, const c10::TypePtr& real_type) {
  if (given.kind == "as_none") return absl::OkStatus();
  std::string_view expected;
  switch (WithoutOptional(real_type)->kind()) {
    case c10::TypeKind::ScalarTypeType: expected = "as_scalar_type"; break;
    case c10::TypeKind::LayoutType: expected = "as_layout"; break;
    case c10::TypeKind::MemoryFormatType: expected = "as_memory_format"; break;
    default: return absl::OkStatus();
  }
  if (given.kind == expected) return absl::OkStatus();
  return RefuseModel(fmt::format("it is {}, expected {}", Quote(given.kind), expected));
}

}  // namespace

absl::StatusOr<Slot> ExportedValues::Define(const std::string& name, ValueKind kind) {
  const auto slot = static_cast<Slot>(by_name_.size());
  if (!by_name_.try_emplace(name, Defined{slot, kind}).second) {
    return RefuseModel(fmt::format("two values of the program are called {}", Quote(name)));
  }
  return slot;
}

absl::StatusOr<ExportedValues::Defined> ExportedValues::Find(const std::string& name) const {
  const auto found = by_name_.find(name);
  if (found != by_name_.end()) return found->second;
  return RefuseModel(fmt::format("there is no value {} before it", Quote(name)));
}

absl::StatusOr<BlockArgument> BindArgument(const ExportedArgument& given, const c10::Argument& argument,
                                           const ExportedValues& values, at::Device device) {
  TENSORFERRY_RETURN_IF_ERROR(CheckMeaning(given, argument.real_type()));
  const Wanted wanted{.type = WithoutOptional(argument.type()),
                      .real_type = argument.real_type(),
                      .optional = argument.type()->kind() == c10::TypeKind::OptionalType,
                      .device = device};
  const bool takes_list = wanted.type->kind() == c10::TypeKind::ListType;
  const bool is_none = given.one() != nullptr && given.one()->name.empty() && given.one()->constant.isNone();
  if (given.form == ExportedArgument::Form::kGraph) return RefuseModel("it is a graph");
  if (takes_list && !is_none) return BindList(given, wanted, values);
  if (given.one() == nullptr) return RefuseModel(fmt::format("it is a list, expected {}", wanted.type->str()));
  return BindOne(*given.one(), wanted, values);
}

absl::StatusOr<BlockArgument> BindFree(const ExportedValue& given, const ExportedValues& values) {
  if (given.name.empty()) return BlockArgument{.constant = given.constant};
  TENSORFERRY_ASSIGN_OR_RETURN(const ExportedValues::Defined value, values.Find(given.name));
  return BlockArgument{.from = BlockArgument::From::kSlot, .slot = value.slot};
}

std::optional<ValueKind> KindOf(const std::string& kind) {
  if (kind == "as_tensor" || kind == "as_tensors") return ValueKind::kTensor;
  if (kind == "as_sym_int" || kind == "as_sym_ints") return ValueKind::kInt;
  if (kind == "as_sym_float" || kind == "as_sym_floats") return ValueKind::kFloat;
  if (kind == "as_sym_bool" || kind == "as_sym_bools") return ValueKind::kBool;
  return std::nullopt;
}

}  // namespace tensorferry::inference
