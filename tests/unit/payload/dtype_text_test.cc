#include "payload/dtype_text.h"

#include <gmock/gmock.h>

#include <string>

#include "testing/status_matchers.h"

namespace tensorferry {
namespace {

TEST(ParseDType, TakesEveryNameAndTypeStringOfTheTable) {
  for (const DTypeInfo& row : kDTypes) {
    const auto by_name = ParseDType(row.name, Fidelity::kConvert);
    ASSERT_THAT(by_name, IsOk());
    EXPECT_EQ(by_name->dtype, row.dtype);
    EXPECT_FALSE(by_name->byte_swapped);
    if (row.descr.empty()) continue;
    for (const char order : {'<', '=', '|', '>'}) {
      const auto by_descr = ParseDType(order + std::string(row.descr.substr(1)), Fidelity::kConvert);
      ASSERT_THAT(by_descr, IsOk()) << order << row.descr;
      EXPECT_EQ(by_descr->dtype, row.dtype);
      EXPECT_EQ(by_descr->byte_swapped, order == '>' && row.swap_width > 1);
    }
    EXPECT_THAT(ParseDType(row.descr.substr(1), Fidelity::kConvert), IsOk()) << "the order character is optional";
  }
}

TEST(ParseDType, TakesTheFourteenOfFromNumpyOnlyWhenStrict) {
  int taken = 0;
  for (const DTypeInfo& row : kDTypes) {
    const auto result = ParseDType(row.name, Fidelity::kStrict);
    taken += result.ok();
    if (!row.in_from_numpy) {
      EXPECT_THAT(result, Fails(Reason::kUnsupportedDtype, testing::HasSubstr("from_numpy")));
    }
  }
  EXPECT_EQ(taken, 14);
}

struct RefusedText {
  Reason reason;
  std::string text;
};

class ParseDTypeRefuses : public testing::TestWithParam<RefusedText> {};

TEST_P(ParseDTypeRefuses, SayingWhyAndWhatCame) {
  EXPECT_THAT(ParseDType(GetParam().text, Fidelity::kConvert),
              Fails(GetParam().reason, testing::HasSubstr(Quote(GetParam().text))));
}

std::vector<RefusedText> RefusedTexts() {
  std::vector<RefusedText> cases;
  const auto add = [&](Reason reason, std::initializer_list<const char*> texts) {
    for (const char* text : texts) cases.push_back({reason, text});
  };
  add(Reason::kUnsupportedDtype,
      {"<f16",    ">f16", "<f12",        "<c32",          "<M8[ns]",    "<m8[us]",  "<M8",        "|S5",
       "|S0",     "<U3",  "|V8",         "|T16",          "longdouble", "float128", "datetime64", "datetime64[ns]",
       "str",     "void", "float8_e3m4", "float4_e2m1fn", "int4",       "uint1",    "bcomplex32", "[('a', '<f4')]",
       "(2,3)f4", "i4,f4"});
  add(Reason::kAmbiguousDtype, {"<V1", "|V1", "<V2", "|V2", ">V2", "V2", "<V4", "|V4", "<W4"});
  add(Reason::kObjectDtype, {"|O", "O", "|O8", "object"});
  add(Reason::kBadDtype, {"",        "long",    "l",          "f",    "i",
                          "int",     "float",   "?",          "b",    "<f3",
                          "<i3",     "|b2",     "<u16",       "!f4",  "@f4",
                          "<f04",    "<f 4",    "<f+4",       "<f-4", "<f4 ",
                          " <f4",    "<",       "<<f4",       "<f4x", "<f99999999999999999999",
                          "float33", "Float32", "np.float32", "<M8[", "<M8]",
                          "<W2",     "\x01"});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(All, ParseDTypeRefuses, testing::ValuesIn(RefusedTexts()));

TEST(ParseDType, NamesWhatVoidsMayBe) {
  const auto told = [](const char* text) {
    return std::string(ParseDType(text, Fidelity::kConvert).status().message());
  };
  EXPECT_THAT(told("<V2"), testing::EndsWith("name the one meant, such as bfloat16"));
  EXPECT_THAT(told("<V4"), testing::EndsWith("name the one meant, such as complex32"));
  EXPECT_THAT(told("<W4"), testing::EndsWith("name the one meant, such as complex32"));
  EXPECT_THAT(told("|V1"), testing::HasSubstr("such as float8_e4m3fn, float8_e4m3fnuz, float8_e5m2"));
}

TEST(ParseDescr, NamesWhatMayStandBesideIt) {
  const auto told = [](const char* descr, const char* name) {
    return std::string(ParseDescr(descr, name, Fidelity::kConvert).status().message());
  };
  EXPECT_EQ(told("<V2", "bfloat17"),
            "dtype 'bfloat17' conflicts with the .npy descr '<V2': with an item size of 2 it may be bfloat16");
  EXPECT_EQ(told("<f4", "bfloat16"),
            "dtype 'bfloat16' conflicts with the .npy descr '<f4': it may only be float32, and casts nothing");
  EXPECT_EQ(told("<U3", "int8"), "dtype 'int8' conflicts with the .npy descr '<U3': no name can stand beside it");
}

TEST(ParseDType, RefusesByteOrderBeforeDTypeWhenStrict) {
  for (const char* text : {">f4", ">i2", ">c16", ">U3", ">M8[ns]", ">f16", ">c4"}) {
    EXPECT_THAT(ParseDType(text, Fidelity::kStrict), Fails(Reason::kByteOrder)) << text;
  }
  for (const char* text : {">i1", ">b1", ">u1", "=f4", "|f4"}) EXPECT_THAT(ParseDType(text, Fidelity::kStrict), IsOk());
  EXPECT_THAT(ParseDType(">S5", Fidelity::kStrict), Fails(Reason::kUnsupportedDtype)) << "NumPy drops the order here";
}

}  // namespace
}  // namespace tensorferry
