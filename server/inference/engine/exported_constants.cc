#include "inference/engine/exported_constants.h"

#include <ATen/ScalarOps.h>

#include <cstdint>

namespace tensorferry::inference {
namespace {

bool IsNumber(const c10::IValue& value) { return value.isScalar() || value.isBool(); }

}  // namespace

at::Tensor TensorOfNumber(const c10::IValue& number) {
  at::Tensor tensor = c10::scalar_to_tensor(number.toScalar());
  tensor.unsafeGetTensorImpl()->set_wrapped_number(true);
  return tensor;
}

std::optional<c10::IValue> FitConstant(const c10::IValue& constant, const c10::Type& type, at::Device device) {
  const auto fits = [&](bool itself) { return itself ? std::optional(constant) : std::nullopt; };
  switch (type.kind()) {
    case c10::TypeKind::TensorType:
      if (!IsNumber(constant)) return std::nullopt;
      return TensorOfNumber(constant);
    case c10::TypeKind::FloatType:
      if (constant.isInt()) return static_cast<double>(constant.toInt());
      return fits(constant.isDouble());
    case c10::TypeKind::IntType:
      if (constant.isBool()) return static_cast<std::int64_t>(constant.toBool());
      return fits(constant.isInt());
    case c10::TypeKind::BoolType:
      if (constant.isInt()) return constant.toInt() != 0;
      return fits(constant.isBool());
    case c10::TypeKind::NumberType: return fits(IsNumber(constant));
    case c10::TypeKind::ComplexType: return fits(constant.isComplexDouble());
    case c10::TypeKind::StringType: return fits(constant.isString());
    case c10::TypeKind::DeviceObjType:
      if (!constant.isDevice() && !constant.isString()) return std::nullopt;
      return device;
    default: return std::nullopt;
  }
}

}  // namespace tensorferry::inference
