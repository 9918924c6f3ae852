// The one table of everything that is known about the element types.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tensorferry {

// DType names the element types that have both a NumPy (or ml_dtypes) form and a torch form.
enum class DType : std::uint8_t {
  kBool,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUInt8,
  kUInt16,
  kUInt32,
  kUInt64,
  kFloat16,
  kFloat32,
  kFloat64,
  kComplex64,
  kComplex128,
  kBFloat16,
  kFloat8E4M3Fn,
  kFloat8E4M3FnUz,
  kFloat8E5M2,
  kFloat8E5M2FnUz,
  kFloat8E8M0FnU,
  kComplex32,
};

struct DTypeInfo {
  DType dtype;
  std::string_view name;   // numpy.dtype(x).name, torch's name without "torch.", and a spelling on the wire.
  std::string_view descr;  // NumPy type string, little-endian; empty where NumPy has no unambiguous one.
  std::size_t itemsize;    // Bytes per element.
  // A change of the byte order reverses this many bytes at a time: half an element if it is complex.
  std::size_t swap_width;
  bool in_from_numpy;    // Whether the type is among the 14 that torch.from_numpy takes.
  std::string_view oip;  // The name in the Open Inference Protocol; where the protocol has none, `name` in upper case.
};

inline constexpr auto kDTypes = std::to_array<DTypeInfo>({
    {DType::kBool, "bool", "|b1", 1, 1, true, "BOOL"},
    {DType::kInt8, "int8", "|i1", 1, 1, true, "INT8"},
    {DType::kInt16, "int16", "<i2", 2, 2, true, "INT16"},
    {DType::kInt32, "int32", "<i4", 4, 4, true, "INT32"},
    {DType::kInt64, "int64", "<i8", 8, 8, true, "INT64"},
    {DType::kUInt8, "uint8", "|u1", 1, 1, true, "UINT8"},
    {DType::kUInt16, "uint16", "<u2", 2, 2, true, "UINT16"},
    {DType::kUInt32, "uint32", "<u4", 4, 4, true, "UINT32"},
    {DType::kUInt64, "uint64", "<u8", 8, 8, true, "UINT64"},
    {DType::kFloat16, "float16", "<f2", 2, 2, true, "FP16"},
    {DType::kFloat32, "float32", "<f4", 4, 4, true, "FP32"},
    {DType::kFloat64, "float64", "<f8", 8, 8, true, "FP64"},
    {DType::kComplex64, "complex64", "<c8", 8, 4, true, "COMPLEX64"},
    {DType::kComplex128, "complex128", "<c16", 16, 8, true, "COMPLEX128"},
    {DType::kBFloat16, "bfloat16", "", 2, 2, false, "BF16"},
    {DType::kFloat8E4M3Fn, "float8_e4m3fn", "", 1, 1, false, "FLOAT8_E4M3FN"},
    {DType::kFloat8E4M3FnUz, "float8_e4m3fnuz", "", 1, 1, false, "FLOAT8_E4M3FNUZ"},
    {DType::kFloat8E5M2, "float8_e5m2", "<f1", 1, 1, false, "FLOAT8_E5M2"},
    {DType::kFloat8E5M2FnUz, "float8_e5m2fnuz", "", 1, 1, false, "FLOAT8_E5M2FNUZ"},
    {DType::kFloat8E8M0FnU, "float8_e8m0fnu", "", 1, 1, false, "FLOAT8_E8M0FNU"},
    {DType::kComplex32, "complex32", "<c4", 4, 2, false, "COMPLEX32"},
});

constexpr const DTypeInfo& Info(DType dtype) { return kDTypes.at(static_cast<std::size_t>(dtype)); }

constexpr std::optional<DType> DTypeByName(std::string_view name) {
  const auto row = std::ranges::find(kDTypes, name, &DTypeInfo::name);
  return row == kDTypes.end() ? std::nullopt : std::optional(row->dtype);
}

static_assert(std::ranges::all_of(kDTypes, [](const auto& row) { return &Info(row.dtype) == &row; }),
              "kDTypes has a row for each DType, in the same order");

}  // namespace tensorferry
