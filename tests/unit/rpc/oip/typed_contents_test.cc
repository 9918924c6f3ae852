#include "rpc/oip/typed_contents.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <ostream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "inference/model_info.h"
#include "rpc/oip/datatype.h"
#include "rpc/triton_config/triton_proto.h"
#include "testing/status_matchers.h"

namespace tensorferry::rpc {
namespace {

using Contents = triton::InferTensorContents;
using testing::HasSubstr;

absl::StatusOr<std::string> RawOf(const Contents& contents, std::string_view datatype) {
  std::string converted;
  const auto raw = datatype == kBytes ? RawOfTypedStrings(contents, converted)
                                      : RawOfTyped(contents, *DTypeByOip(datatype), converted);
  if (!raw.ok()) return raw.status();
  return std::string(reinterpret_cast<const char*>(raw->data()), raw->size());
}

// BytesOf returns the elements as C++ lays them out, which is little-endian on the machines that are supported.
template <typename Element>
std::string BytesOf(const std::vector<Element>& elements) {
  std::string bytes(elements.size() * sizeof(Element), '\0');
  std::memcpy(bytes.data(), elements.data(), bytes.size());
  return bytes;
}

template <typename Element>
std::vector<Element> Extremes() {
  return {std::numeric_limits<Element>::lowest(), Element{0}, Element{1}, std::numeric_limits<Element>::max()};
}

// TypedCase has elements of a datatype twice: in the type of their field, and raw.
struct TypedCase {
  std::string datatype;
  Contents contents;
  std::string raw;
  friend void PrintTo(const TypedCase& c, std::ostream* out) { *out << c.datatype; }
};

template <typename Element, typename Field>
TypedCase Extreme(std::string datatype, Field field) {
  TypedCase typed{std::move(datatype), {}, BytesOf(Extremes<Element>())};
  for (const Element element : Extremes<Element>()) field(typed.contents, element);
  return typed;
}

std::vector<TypedCase> TypedCases() {
  const auto add_int = [](Contents& contents, auto value) { contents.add_int_contents(value); };
  const auto add_uint = [](Contents& contents, auto value) { contents.add_uint_contents(value); };
  TypedCase bools{"BOOL", {}, std::string("\1\0\1", 3)};
  for (const bool value : {true, false, true}) bools.contents.add_bool_contents(value);
  TypedCase strings{"BYTES", {}, std::string("\2\0\0\0ab\0\0\0\0\1\0\0\0\xFF", 15)};
  for (const char* const text : {"ab", "", "\xFF"}) strings.contents.add_bytes_contents(text);
  return {bools,
          strings,
          Extreme<std::int8_t>("INT8", add_int),
          Extreme<std::int16_t>("INT16", add_int),
          Extreme<std::int32_t>("INT32", add_int),
          Extreme<std::int64_t>("INT64", [](Contents& contents, auto value) { contents.add_int64_contents(value); }),
          Extreme<std::uint8_t>("UINT8", add_uint),
          Extreme<std::uint16_t>("UINT16", add_uint),
          Extreme<std::uint32_t>("UINT32", add_uint),
          Extreme<std::uint64_t>("UINT64", [](Contents& contents, auto value) { contents.add_uint64_contents(value); }),
          Extreme<float>("FP32", [](Contents& contents, auto value) { contents.add_fp32_contents(value); }),
          Extreme<double>("FP64", [](Contents& contents, auto value) { contents.add_fp64_contents(value); })};
}

class TypedContents : public testing::TestWithParam<TypedCase> {};

TEST_P(TypedContents, BecomeRaw) {
  const auto raw = RawOf(GetParam().contents, GetParam().datatype);
  ASSERT_THAT(raw, IsOk());
  EXPECT_EQ(*raw, GetParam().raw);
}

TEST_P(TypedContents, MayBeNone) {
  const auto raw = RawOf(Contents(), GetParam().datatype);
  ASSERT_THAT(raw, IsOk());
  EXPECT_EQ(*raw, "");
}

// FieldOf returns the number of the one field that is set.
int FieldOf(const Contents& contents) {
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  contents.GetReflection()->ListFields(contents, &fields);
  EXPECT_EQ(fields.size(), 1u);
  return fields.front()->number();
}

// No other field may be set, whether alone or beside the right one.
TEST_P(TypedContents, StandInNoOtherField) {
  const auto& [datatype, contents, raw] = GetParam();
  for (const TypedCase& other : TypedCases()) {
    if (FieldOf(other.contents) == FieldOf(contents)) continue;
    Contents both = contents;
    both.MergeFrom(other.contents);
    for (const Contents& wrong : {other.contents, both}) {
      EXPECT_THAT(RawOf(wrong, datatype),
                  Fails(Reason::kInputMismatch, HasSubstr("contents of " + datatype + " are in ")))
          << other.datatype;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Datatypes, TypedContents, testing::ValuesIn(TypedCases()),
                         [](const auto& test) { return test.param.datatype; });

TEST(RawOfTyped, NamesTheFieldsThatWereMixedUp) {
  Contents contents;
  contents.add_int64_contents(1);
  EXPECT_THAT(RawOf(contents, "INT32"),
              Fails(Reason::kInputMismatch, "contents of INT32 are in int_contents, not int64_contents"));
}

// Triton keeps the low bits of such numbers.
TEST(RawOfTyped, RefusesNumbersThatTheDatatypeDoesNotHold) {
  const auto refuse_int = [](std::int32_t value, const char* datatype, const char* why) {
    Contents contents;
    contents.add_int_contents(0);
    contents.add_int_contents(value);
    EXPECT_THAT(RawOf(contents, datatype), Fails(Reason::kInputMismatch, why)) << value;
  };
  refuse_int(300, "INT8", "300 does not fit INT8, which goes from -128 to 127");
  refuse_int(128, "INT8", "128 does not fit INT8, which goes from -128 to 127");
  refuse_int(-129, "INT8", "-129 does not fit INT8, which goes from -128 to 127");
  refuse_int(32768, "INT16", "32768 does not fit INT16, which goes from -32768 to 32767");
  refuse_int(-32769, "INT16", "-32769 does not fit INT16, which goes from -32768 to 32767");
  for (const auto& [value, datatype, why] :
       {std::tuple(256U, "UINT8", "256 does not fit UINT8, which goes from 0 to 255"),
        std::tuple(65536U, "UINT16", "65536 does not fit UINT16, which goes from 0 to 65535")}) {
    Contents contents;
    contents.add_uint_contents(value);
    EXPECT_THAT(RawOf(contents, datatype), Fails(Reason::kInputMismatch, why));
  }
}

TEST(RawOfTyped, KnowsOnlyDatatypesThatHaveAField) {
  for (const DTypeInfo& dtype : kDTypes) {
    const bool typed = std::ranges::any_of(TypedCases(), [&](const auto& each) { return each.datatype == dtype.oip; });
    const auto raw = RawOf(Contents(), dtype.oip);
    EXPECT_EQ(raw.ok(), typed) << dtype.oip;
    if (!typed) {
      EXPECT_THAT(raw, Fails(Reason::kInputMismatch, HasSubstr("has no form in contents: send it in raw")));
    }
  }
}

// --- These tests are about the names of datatypes.

TEST(Datatype, IsKnownByTheProtocolsName) {
  // The protocol's table has these; all other names are this server's own.
  const std::vector<std::pair<std::string_view, std::string_view>> names = {
      {"BOOL", "bool"},    {"UINT8", "uint8"},  {"UINT16", "uint16"}, {"UINT32", "uint32"}, {"UINT64", "uint64"},
      {"INT8", "int8"},    {"INT16", "int16"},  {"INT32", "int32"},   {"INT64", "int64"},   {"FP16", "float16"},
      {"FP32", "float32"}, {"FP64", "float64"}, {"BF16", "bfloat16"}};
  for (const auto& [oip, torch] : names) {
    ASSERT_NE(DTypeByOip(oip), nullptr) << oip;
    EXPECT_EQ(DTypeByOip(oip)->name, torch);
    EXPECT_EQ(OipNameOf(torch), oip);
  }
  for (const DTypeInfo& dtype : kDTypes) EXPECT_EQ(DTypeByOip(dtype.oip), &dtype) << "no name is given twice";
  EXPECT_EQ(OipNameOf(inference::kStrings), "BYTES");
}

TEST(Datatype, IsNothingElse) {
  for (const std::string_view name : {"", "int32", "fp32", "FLOAT32", "BYTES", "TYPE_FP32", "FP32 "}) {
    EXPECT_EQ(DTypeByOip(name), nullptr) << name;
  }
  EXPECT_EQ(OipNameOf(""), "");
  EXPECT_EQ(OipNameOf("FP32"), "");
  EXPECT_THAT(UnknownDatatype("FLOAT32"),
              Fails(Reason::kBadDtype, HasSubstr("there is no datatype 'FLOAT32'; there are ")));
  for (const std::string name : {"BYTES", "BF16", "FP32"}) {
    EXPECT_THAT(UnknownDatatype(""), Fails(Reason::kBadDtype, HasSubstr(name)));
  }
}

}  // namespace
}  // namespace tensorferry::rpc
