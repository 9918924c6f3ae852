// The one table of the dtypes of safetensors 0.8.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include "payload/dtype.h"

namespace tensorferry {

struct SafetensorsDType {
  std::string_view name;       // As a header spells it.
  std::size_t bits;            // Per element.
  std::optional<DType> dtype;  // Nothing for elements smaller than a byte, which no tensor has one by one.
};

inline constexpr auto kSafetensorsDTypes = std::to_array<SafetensorsDType>({
    {"BOOL", 8, DType::kBool},
    {"U8", 8, DType::kUInt8},
    {"I8", 8, DType::kInt8},
    {"U16", 16, DType::kUInt16},
    {"I16", 16, DType::kInt16},
    {"U32", 32, DType::kUInt32},
    {"I32", 32, DType::kInt32},
    {"U64", 64, DType::kUInt64},
    {"I64", 64, DType::kInt64},
    {"F16", 16, DType::kFloat16},
    {"BF16", 16, DType::kBFloat16},
    {"F32", 32, DType::kFloat32},
    {"F64", 64, DType::kFloat64},
    {"C64", 64, DType::kComplex64},
    {"F8_E4M3", 8, DType::kFloat8E4M3Fn},
    {"F8_E4M3FNUZ", 8, DType::kFloat8E4M3FnUz},
    {"F8_E5M2", 8, DType::kFloat8E5M2},
    {"F8_E5M2FNUZ", 8, DType::kFloat8E5M2FnUz},
    {"F8_E8M0", 8, DType::kFloat8E8M0FnU},
    {"F4", 4, std::nullopt},
    {"F6_E2M3", 6, std::nullopt},
    {"F6_E3M2", 6, std::nullopt},
});

static_assert(std::ranges::all_of(kSafetensorsDTypes,
                                  [](const auto& row) {
                                    return row.dtype ? row.bits == 8 * Info(*row.dtype).itemsize : row.bits < 8;
                                  }),
              "kSafetensorsDTypes and kDTypes agree on sizes");

// Returns null if safetensors has no dtype of this name.
constexpr const SafetensorsDType* FindSafetensorsDType(std::string_view name) {
  const auto row = std::ranges::find(kSafetensorsDTypes, name, &SafetensorsDType::name);
  return row == kSafetensorsDTypes.end() ? nullptr : &*row;
}

// Returns null if safetensors has no name for this dtype: it has none for complex128 and complex32.
constexpr const SafetensorsDType* FindSafetensorsDType(DType dtype) {
  const auto row = std::ranges::find(kSafetensorsDTypes, std::optional(dtype), &SafetensorsDType::dtype);
  return row == kSafetensorsDTypes.end() ? nullptr : &*row;
}

}  // namespace tensorferry
