#include "payload/dtype_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"

namespace tensorferry {
namespace {

static_assert(std::endian::native == std::endian::little, "`=` and `|` are read as little-endian");

// NumPy or ml_dtypes knows these names, and torch has no type for them. Type strings of such types are recognised by
// kind and size.
constexpr auto kNamesWithoutTensor = std::to_array<std::string_view>({
    "longdouble",    "clongdouble",
    "float96",       "float128",
    "complex192",    "complex256",
    "str",           "bytes",
    "void",          "datetime64",
    "timedelta64",   "float8_e3m4",
    "float8_e4m3",   "float8_e4m3b11fnuz",
    "float6_e2m3fn", "float6_e3m2fn",
    "float4_e2m1fn", "int4",
    "uint4",         "int2",
    "uint2",         "int1",
    "uint1",         "bcomplex32",
});

struct TypeString {
  char order = '|';       // One of '<', '>', '=' and '|'.
  char kind = 0;          // NumPy's kind character.
  std::size_t size = 0;   // Bytes, or for kind U characters; 0: none is given.
  bool has_unit = false;  // Whether a unit such as `[ns]` follows.
};

constexpr bool IsOneOf(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }

// Reads `[<>=|]? kind digits? [unit]?`. Returns nothing if `text` is of another form.
std::optional<TypeString> ReadTypeString(std::string_view text) {
  TypeString type;
  if (!text.empty() && IsOneOf(text.front(), "<>=|")) {
    type.order = text.front();
    text.remove_prefix(1);
  }
  if (text.empty() || !IsOneOf(text.front(), "biufcmMOSUVTW")) return std::nullopt;
  type.kind = text.front();
  text.remove_prefix(1);
  if (!text.empty() && text.front() == '0' && text.size() > 1) return std::nullopt;  // `f04` is not a spelling.
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), type.size);
  const bool has_size = error == std::errc();
  if (!has_size && error != std::errc::invalid_argument) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (IsOneOf(type.kind, "mM") && text.size() > 2 && text.front() == '[' && text.back() == ']') {
    type.has_unit = true;
    text = {};
  }
  if (!text.empty()) return std::nullopt;
  if (!has_size && type.kind != 'O') return std::nullopt;  // Bare `f` or `l` mean another width on each platform.
  return type;
}

// Returns whether a big-endian mark means anything for this type. NumPy drops the mark for other types: `>i1` is `|i1`.
bool OrderMatters(const TypeString& type) {
  return IsOneOf(type.kind, "mMU") || (IsOneOf(type.kind, "iufc") && type.size > 1);
}

// KindAndSize is what a type string says of a dtype; `kind` is 0 where no type string means it.
struct KindAndSize {
  char kind;
  std::uint8_t size;  // Bytes.
};

// The kinds and sizes of kDTypes, in its order: every request searches them, and here they share one cache line.
constexpr auto kKindsAndSizes = [] {
  std::array<KindAndSize, kDTypes.size()> all{};
  std::ranges::transform(kDTypes, all.begin(), [](const DTypeInfo& row) {
    return KindAndSize{row.descr.empty() ? char{0} : row.descr[1], static_cast<std::uint8_t>(row.itemsize)};
  });
  return all;
}();

// Returns the dtype of this kind and size.
std::optional<DType> FindByKind(const TypeString& type) {
  for (std::size_t i = 0; i < kKindsAndSizes.size(); ++i) {
    if (kKindsAndSizes[i].kind == type.kind && kKindsAndSizes[i].size == type.size) return static_cast<DType>(i);
  }
  return std::nullopt;
}

// Returns whether NumPy itself writes this type string, for a type without a torch form.
bool KnownWithoutTensor(const TypeString& type) {
  switch (type.kind) {
    case 'f': return type.size == 12 || type.size == 16;  // longdouble
    case 'c': return type.size == 24 || type.size == 32;  // clongdouble
    case 'm':
    case 'M': return type.size == 8;
    case 'S':
    case 'U':
    case 'V':
    case 'T': return true;
    default: return false;
  }
}

// Returns whether `text` is a structured or subarray type: `[('a', '<f4')]`, `{'names': …}`, `(2,3)f4`, `i4,f4`.
bool IsCompound(std::string_view text) {
  return !text.empty() && (IsOneOf(text.front(), "[{(") || text.find(',') != std::string_view::npos);
}

absl::Status Refuse(Reason reason, std::string_view text, std::string_view why) {
  return MakeError(reason, fmt::format("dtype {} {}", Quote(text), why),
                   {.field = "dtype", .expected = "a NumPy type string or name that torch has", .actual = Quote(text)});
}

absl::Status RefuseUnsupported(std::string_view text) {
  return Refuse(Reason::kUnsupportedDtype, text, "is not supported: torch cannot compute with it");
}

absl::Status RefuseOutsideFromNumpy(std::string_view text) {
  return Refuse(Reason::kUnsupportedDtype, text, "is not one of the 14 that torch.from_numpy takes");
}

absl::Status RefuseByteOrder(std::string_view text) {
  return MakeError(Reason::kByteOrder,
                   fmt::format("dtype {} is big-endian; torch.from_numpy takes native order only", Quote(text)),
                   {.field = "dtype", .expected = "little-endian", .actual = Quote(text)});
}

bool IsAmbiguous(const TypeString& type) {
  return (type.kind == 'V' && (type.size == 1 || type.size == 2 || type.size == 4)) ||
         (type.kind == 'W' && type.size == 4);
}

// Returns the types of `size` bytes that NumPy has not itself: "bfloat16".
std::string NamesOfVoids(std::uint64_t size) {
  std::vector<std::string_view> names;
  for (const DTypeInfo& info : kDTypes) {
    if (!info.in_from_numpy && info.itemsize == size) names.push_back(info.name);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

absl::StatusOr<SourceDType> ParseTypeString(const TypeString& type, std::string_view text, Fidelity fidelity) {
  const bool big_endian = type.order == '>' && OrderMatters(type);
  if (type.kind == 'O') {
    return Refuse(Reason::kObjectDtype, text, "holds Python objects: a tensor cannot, and nothing is ever unpickled");
  }
  const std::optional<DType> dtype = FindByKind(type);
  if (fidelity == Fidelity::kStrict && big_endian && (dtype || KnownWithoutTensor(type))) {
    return RefuseByteOrder(text);
  }
  if (dtype) {
    if (fidelity == Fidelity::kStrict && !Info(*dtype).in_from_numpy) return RefuseOutsideFromNumpy(text);
    return SourceDType{*dtype, big_endian};
  }
  if (IsAmbiguous(type)) {
    return Refuse(
        Reason::kAmbiguousDtype, text,
        fmt::format("is how NumPy saves several types: name the one meant, such as {}", NamesOfVoids(type.size)));
  }
  if (KnownWithoutTensor(type)) return RefuseUnsupported(text);
  return Refuse(Reason::kBadDtype, text, "is not a NumPy type string: no such kind and size");
}

// NamesBeside says which names may stand beside `descr`.
std::string NamesBeside(std::string_view descr) {
  if (const auto type = ReadTypeString(descr); type && IsAmbiguous(*type)) {
    return fmt::format("with an item size of {} it may be {}", type->size, NamesOfVoids(type->size));
  }
  const absl::StatusOr<SourceDType> meant = ParseDType(descr, Fidelity::kConvert);
  return meant.ok() ? fmt::format("it may only be {}, and casts nothing", Info(meant->dtype).name)
                    : "no name can stand beside it";
}

absl::Status RefuseName(std::string_view name, std::string_view descr) {
  return MakeError(
      Reason::kConflictingFields,
      fmt::format("dtype {} conflicts with the .npy descr {}: {}", Quote(name), Quote(descr), NamesBeside(descr)),
      {.field = "dtype", .expected = "unset", .actual = Quote(name)});
}

// Reads a void descr; `named` says which type it holds.
absl::StatusOr<SourceDType> ParseVoid(const TypeString& type, std::string_view descr, const DTypeInfo& named,
                                      Fidelity fidelity) {
  if (named.in_from_numpy || named.itemsize != type.size) return RefuseName(named.name, descr);
  const bool big_endian = type.order == '>' && named.swap_width > 1;
  if (fidelity == Fidelity::kStrict) return big_endian ? RefuseByteOrder(descr) : RefuseOutsideFromNumpy(named.name);
  return SourceDType{named.dtype, big_endian};
}

}  // namespace

bool IsAmbiguousVoid(std::string_view text) {
  const std::optional<TypeString> type = ReadTypeString(text);
  return type && IsAmbiguous(*type);
}

absl::StatusOr<SourceDType> ParseDType(std::string_view text, Fidelity fidelity) {
  if (const std::optional<TypeString> type = ReadTypeString(text)) return ParseTypeString(*type, text, fidelity);
  if (const std::optional<DType> dtype = DTypeByName(text)) {
    if (fidelity == Fidelity::kStrict && !Info(*dtype).in_from_numpy) return RefuseOutsideFromNumpy(text);
    return SourceDType{*dtype};
  }
  if (text == "object") {
    return Refuse(Reason::kObjectDtype, text, "holds Python objects: a tensor cannot, and nothing is ever unpickled");
  }
  const bool with_unit = text.starts_with("datetime64[") || text.starts_with("timedelta64[");
  if (with_unit || std::ranges::count(kNamesWithoutTensor, text) > 0 || IsCompound(text))
    return RefuseUnsupported(text);
  return Refuse(Reason::kBadDtype, text, "is neither a NumPy type string such as '<f4' nor a name such as 'float32'");
}

absl::StatusOr<SourceDType> ParseDescr(std::string_view descr, std::string_view name, Fidelity fidelity) {
  if (name.empty()) return ParseDType(descr, fidelity);
  const std::optional<DType> named = DTypeByName(name);
  if (!named) return RefuseName(name, descr);
  if (const auto type = ReadTypeString(descr); type && IsAmbiguous(*type)) {
    return ParseVoid(*type, descr, Info(*named), fidelity);
  }
  const absl::StatusOr<SourceDType> meant = ParseDType(descr, Fidelity::kConvert);
  if (!meant.ok() || meant->dtype != *named) return RefuseName(name, descr);
  return ParseDType(descr, fidelity);
}

}  // namespace tensorferry
