#include "rpc/oip/typed_contents.h"

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <cstring>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include "base/status.h"
#include "payload/strings.h"
#include "rpc/triton_config/triton_proto.h"

namespace tensorferry::rpc {
namespace {

using Contents = triton::InferTensorContents;

absl::Status Mismatch(const std::string& why, const std::string& expected, const std::string& actual) {
  return MakeError(Reason::kInputMismatch, why, {.field = "contents", .expected = expected, .actual = actual});
}

// Checks that the field for the datatype is the only field that is set.
absl::Status CheckField(const Contents& contents, std::string_view datatype, int field) {
  std::vector<const google::protobuf::FieldDescriptor*> set;
  contents.GetReflection()->ListFields(contents, &set);
  const std::string expected(Contents::descriptor()->FindFieldByNumber(field)->name());
  for (const auto* other : set) {
    if (other->number() == field) continue;
    const std::string actual(other->name());
    return Mismatch(fmt::format("contents of {} are in {}, not {}", datatype, expected, actual), expected, actual);
  }
  return absl::OkStatus();
}

// `Sent` is the type of the field's elements. Not every value of it fits an `Element`.
template <typename Element, typename Sent>
absl::StatusOr<Bytes> RawOf(const google::protobuf::RepeatedField<Sent>& values, std::string_view datatype,
                            std::string& raw) {
  if constexpr (std::is_same_v<Element, Sent>) {  // Up to 128 MiB that need not be taken once more.
    return std::as_bytes(std::span(values.data(), static_cast<std::size_t>(values.size())));
  }
  raw.resize(static_cast<std::size_t>(values.size()) * sizeof(Element));
  char* to = raw.data();
  for (const Sent value : values) {
    if constexpr (std::is_integral_v<Element> && !std::is_same_v<Element, bool>) {
      if (value < std::numeric_limits<Element>::min() || value > std::numeric_limits<Element>::max()) {
        const std::string range =
            fmt::format("{} to {}", std::numeric_limits<Element>::min(), std::numeric_limits<Element>::max());
        return Mismatch(fmt::format("{} does not fit {}, which goes from {}", value, datatype, range), range,
                        fmt::to_string(value));
      }
    }
    const auto element = static_cast<Element>(value);
    std::memcpy(to, &element, sizeof(Element));
    to += sizeof(Element);
  }
  return std::as_bytes(std::span(raw));
}

}  // namespace

absl::StatusOr<Bytes> RawOfTyped(const Contents& contents, const DTypeInfo& dtype, std::string& raw) {
  const auto take = [&]<typename Element>(Element, int field, const auto& values) -> absl::StatusOr<Bytes> {
    TENSORFERRY_RETURN_IF_ERROR(CheckField(contents, dtype.oip, field));
    return RawOf<Element>(values, dtype.oip, raw);
  };
  switch (dtype.dtype) {
    case DType::kBool: return take(bool{}, Contents::kBoolContentsFieldNumber, contents.bool_contents());
    case DType::kInt8: return take(std::int8_t{}, Contents::kIntContentsFieldNumber, contents.int_contents());
    case DType::kInt16: return take(std::int16_t{}, Contents::kIntContentsFieldNumber, contents.int_contents());
    case DType::kInt32: return take(std::int32_t{}, Contents::kIntContentsFieldNumber, contents.int_contents());
    case DType::kInt64: return take(std::int64_t{}, Contents::kInt64ContentsFieldNumber, contents.int64_contents());
    case DType::kUInt8: return take(std::uint8_t{}, Contents::kUintContentsFieldNumber, contents.uint_contents());
    case DType::kUInt16: return take(std::uint16_t{}, Contents::kUintContentsFieldNumber, contents.uint_contents());
    case DType::kUInt32: return take(std::uint32_t{}, Contents::kUintContentsFieldNumber, contents.uint_contents());
    case DType::kUInt64: return take(std::uint64_t{}, Contents::kUint64ContentsFieldNumber, contents.uint64_contents());
    case DType::kFloat32: return take(float{}, Contents::kFp32ContentsFieldNumber, contents.fp32_contents());
    case DType::kFloat64: return take(double{}, Contents::kFp64ContentsFieldNumber, contents.fp64_contents());
    default: break;
  }
  return Mismatch(fmt::format("{} has no form in contents: send it in raw_input_contents", dtype.oip),
                  "raw_input_contents", "contents");
}

absl::StatusOr<Bytes> RawOfTypedStrings(const Contents& contents, std::string& raw) {
  TENSORFERRY_RETURN_IF_ERROR(CheckField(contents, "BYTES", Contents::kBytesContentsFieldNumber));
  for (const std::string& text : contents.bytes_contents()) AppendString(text, raw);
  return std::as_bytes(std::span(raw));
}

}  // namespace tensorferry::rpc
