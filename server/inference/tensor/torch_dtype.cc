#include "inference/tensor/torch_dtype.h"

#include <algorithm>

namespace tensorferry::inference {

c10::ScalarType ToTorch(DType dtype) {
  switch (dtype) {  // There is no default case, so that the compiler warns when a new DType has no case here.
    case DType::kBool: return c10::ScalarType::Bool;
    case DType::kInt8: return c10::ScalarType::Char;
    case DType::kInt16: return c10::ScalarType::Short;
    case DType::kInt32: return c10::ScalarType::Int;
    case DType::kInt64: return c10::ScalarType::Long;
    case DType::kUInt8: return c10::ScalarType::Byte;
    case DType::kUInt16: return c10::ScalarType::UInt16;
    case DType::kUInt32: return c10::ScalarType::UInt32;
    case DType::kUInt64: return c10::ScalarType::UInt64;
    case DType::kFloat16: return c10::ScalarType::Half;
    case DType::kFloat32: return c10::ScalarType::Float;
    case DType::kFloat64: return c10::ScalarType::Double;
    case DType::kComplex64: return c10::ScalarType::ComplexFloat;
    case DType::kComplex128: return c10::ScalarType::ComplexDouble;
    case DType::kBFloat16: return c10::ScalarType::BFloat16;
    case DType::kFloat8E4M3Fn: return c10::ScalarType::Float8_e4m3fn;
    case DType::kFloat8E4M3FnUz: return c10::ScalarType::Float8_e4m3fnuz;
    case DType::kFloat8E5M2: return c10::ScalarType::Float8_e5m2;
    case DType::kFloat8E5M2FnUz: return c10::ScalarType::Float8_e5m2fnuz;
    case DType::kFloat8E8M0FnU: return c10::ScalarType::Float8_e8m0fnu;
    case DType::kComplex32: return c10::ScalarType::ComplexHalf;
  }
  __builtin_unreachable();
}

std::optional<DType> FromTorch(c10::ScalarType type) {
  const auto row = std::ranges::find_if(kDTypes, [type](const auto& info) { return ToTorch(info.dtype) == type; });
  return row == kDTypes.end() ? std::nullopt : std::optional(row->dtype);
}

}  // namespace tensorferry::inference
