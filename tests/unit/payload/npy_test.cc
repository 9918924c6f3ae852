#include "payload/npy.h"

#include <gmock/gmock.h>

#include <ostream>
#include <string>
#include <vector>

#include "testing/status_matchers.h"

namespace tensorferry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr PayloadLimits kLimits{.max_tensor_bytes = 1 << 20};

std::string File(const std::string& text, char major = 1, const std::string& data = "") {
  std::string file = "\x93NUMPY";
  file += major;
  file += '\0';
  const std::size_t length_bytes = major == 1 ? 2 : 4;
  for (std::size_t i = 0; i < length_bytes; ++i) file += static_cast<char>(text.size() >> (8 * i));
  return file + text + data;
}

std::string Header(const std::string& shape, const std::string& descr = "'<f4'", const std::string& order = "False") {
  return "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }";
}

TEST(ParseNpyHeader, ReadsWhatNumPyWrites) {
  const auto npy =
      ParseNpyHeader(File("{'descr': '>i2', 'fortran_order': True, 'shape': (3, 4), }         \n", 1, "data"));
  ASSERT_THAT(npy, IsOk());
  EXPECT_EQ(npy->descr, ">i2");
  EXPECT_TRUE(npy->fortran_order);
  EXPECT_THAT(npy->shape, ElementsAre(3, 4));
  EXPECT_EQ(npy->data_offset, File("{'descr': '>i2', 'fortran_order': True, 'shape': (3, 4), }         \n").size());
}

TEST(ParseNpyHeader, TakesAnyOrderQuotingAndWhitespace) {
  for (const std::string text : {"{\"shape\":(3,),'descr':\"<f4\",'fortran_order':False}",
                                 "\n{\r\n\t'fortran_order'\f: False\n,'shape' :( 3 , ),\n 'descr':'<f4' , \n}\n"}) {
    for (const char version : {'\1', '\2', '\3'}) {
      const auto npy = ParseNpyHeader(File(text, version));
      ASSERT_THAT(npy, IsOk()) << text;
      EXPECT_THAT(npy->shape, ElementsAre(3));
      EXPECT_EQ(npy->descr, "<f4");
    }
  }
  EXPECT_THAT(ParseNpyHeader(File(Header("()")))->shape, ElementsAre());
  EXPECT_THAT(ParseNpyHeader(File(Header("(3L, 0L)"), 2))->shape, ElementsAre(3, 0)) << "Python 2 wrote this";
}

struct RefusedCase {
  std::string name;
  Reason reason;
  std::string file;
  friend void PrintTo(const RefusedCase& c, std::ostream* out) { *out << c.name; }
};
class NpyRefuses : public testing::TestWithParam<RefusedCase> {};

TEST_P(NpyRefuses, WithTheReason) { EXPECT_THAT(ParseNpyHeader(GetParam().file), Fails(GetParam().reason)); }

std::vector<RefusedCase> Refused() {
  std::vector<RefusedCase> cases = {
      {"Empty", Reason::kBadMagic, ""},
      {"OtherMagic", Reason::kBadMagic, std::string("\x93numpy\1\0\0\0", 10)},
      {"MagicWithoutVersion", Reason::kBadMagic, "\x93NUMPY\x01"},
      {"Version00", Reason::kBadVersion, std::string("\x93NUMPY\0\0\0\0", 10)},
      {"Version11", Reason::kBadVersion, std::string("\x93NUMPY\1\1\0\0", 10)},
      {"Version40", Reason::kBadVersion, std::string("\x93NUMPY\4\0\0\0", 10)},
      {"LengthFieldShort", Reason::kBadHeader, std::string("\x93NUMPY\1\0\x10", 9)},
      {"LengthBeyondFile", Reason::kBadHeader, std::string("\x93NUMPY\1\0\x10\0{}", 12)},
      {"LengthOf4GiB", Reason::kBadHeader, std::string("\x93NUMPY\2\0\xff\xff\xff\xff", 12)},
      {"TextOf10001Bytes", Reason::kBadHeader, File(Header("(3,)") + std::string(10'001 - Header("(3,)").size(), ' '))},
      {"LongSuffixIn30", Reason::kBadHeader, File(Header("(3L,)"), 3)},
      {"DeepNesting", Reason::kBadHeader, File(Header(std::string(9'000, '(')))},
      {"NulPadding", Reason::kBadHeader, File(Header("(3,)") + std::string(4, '\0'))},
  };
  const std::vector<std::pair<std::string, std::string>> texts = {
      {"NoDictionary", "[]"},
      {"EmptyDictionary", "{}"},
      {"KeyMissing", "{'descr': '<f4', 'shape': (3,)}"},
      {"KeyTwice", "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3,)}"},
      {"KeyUnknown", "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'x': 1}"},
      {"KeyOfBytes", "{b'descr': '<f4', 'fortran_order': False, 'shape': (3,)}"},
      {"NoCommaBetweenKeys", "{'descr': '<f4' 'fortran_order': False, 'shape': (3,)}"},
      {"NotClosed", "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)"},
      {"TextAfter", Header("(3,)") + " 1"},
      {"Comment", "{'descr': '<f4', # x\n 'fortran_order': False, 'shape': (3,)}"},
      {"DescrOfBytes", Header("(3,)", "b'<f4'")},
      {"DescrEscaped", Header("(3,)", R"('\x3cf4')")},
      {"DescrConcatenated", Header("(3,)", "'<' 'f4'")},
      {"DescrTripled", Header("(3,)", "'''<f4'''")},
      {"DescrNumber", Header("(3,)", "4")},
      {"ShapeList", Header("[3]")},
      {"ShapeNumber", Header("3")},
      {"ShapeInParentheses", Header("(3)")},
      {"ShapeFloat", Header("(3.0,)")},
      {"ShapeNested", Header("((3,),)")},
      {"ShapeBool", Header("(True,)")},
      {"ShapeHex", Header("(0x10,)")},
      {"ShapeUnderscore", Header("(1_000,)")},
      {"ShapePlus", Header("(+3,)")},
      {"ShapeOctal", Header("(010,)")},
      {"ShapeProduct", Header("(2*2,)")},
      {"ShapeDoubleComma", Header("(3,,)")},
      {"ShapeNoComma", Header("(3 4)")},
      {"ShapeBeyond63Bits", Header("(9223372036854775808,)")},
      {"OrderZero", Header("(3,)", "'<f4'", "0")},
      {"OrderLowerCase", Header("(3,)", "'<f4'", "false")},
      {"OrderNone", Header("(3,)", "'<f4'", "None")},
      {"OrderWord", Header("(3,)", "'<f4'", "Falsehood")},
  };
  for (const auto& [name, text] : texts) cases.push_back({name, Reason::kBadHeader, File(text)});
  return cases;
}

INSTANTIATE_TEST_SUITE_P(All, NpyRefuses, testing::ValuesIn(Refused()),
                         [](const auto& test) { return test.param.name; });

TEST(ParseNpyHeader, SurvivesEveryTruncation) {
  const std::string file = File(Header("(3, 4)"));
  for (std::size_t length = 0; length < file.size(); ++length) {
    EXPECT_FALSE(ParseNpyHeader(std::string_view(file).substr(0, length)).ok()) << length;
  }
}

absl::StatusOr<ArrayHeader> Check(const std::string& file, std::string_view named_dtype = "") {
  const auto npy = ParseNpyHeader(file);
  if (!npy.ok()) return npy.status();
  return CheckNpyHeader(*npy, named_dtype, file.size(), Fidelity::kConvert, kLimits);
}

TEST(CheckNpyHeader, ComparesTheWholeLength) {
  EXPECT_THAT(Check(File(Header("(2,)"), 1, "12345678")), IsOk());
  EXPECT_THAT(Check(File(Header("(2,)"), 1, "1234567")),
              Fails(Reason::kSizeMismatch, HasSubstr("needs 8 bytes, got 7")));
  EXPECT_THAT(Check(File(Header("(2,)"), 1, "123456789")), Fails(Reason::kTrailingBytes));
  EXPECT_THAT(Check(File(Header("(1000000000000,)"), 1, "1234567890")), Fails(Reason::kTensorTooLarge));
  EXPECT_THAT(Check(File(Header("(-1,)"), 1, "")), Fails(Reason::kBadShape));
  EXPECT_THAT(Check(File(Header("(2,)", "[('a', '<f4')]"), 1, "12345678")), Fails(Reason::kUnsupportedDtype));
}

// Named is what docs/dtypes.md says of a name beside a descr.
enum class Named { kTaken, kTakenAsVoid, kConflicts };

Named Expected(const DTypeInfo& name, const DTypeInfo* descr, std::size_t void_itemsize) {
  if (descr != nullptr) return descr->dtype == name.dtype ? Named::kTaken : Named::kConflicts;
  return !name.in_from_numpy && name.itemsize == void_itemsize ? Named::kTakenAsVoid : Named::kConflicts;
}

void ExpectNamed(const std::string& descr, const DTypeInfo& name, Named expected) {
  const std::string file = File(Header("(0,)", "'" + descr + "'"));
  const auto header = Check(file, name.name);
  if (expected == Named::kConflicts) {
    EXPECT_THAT(header, Fails(Reason::kConflictingFields)) << descr << " named " << name.name;
    return;
  }
  ASSERT_THAT(header, IsOk()) << descr << " named " << name.name;
  EXPECT_EQ(header->dtype(), name.dtype);
  EXPECT_EQ(header->byte_swapped(), descr.front() == '>' && name.swap_width > 1) << descr;
  EXPECT_EQ(header->source_dtype(), expected == Named::kTaken ? descr : std::string(name.name));
}

TEST(CheckNpyHeader, TakesANameThatRepeatsTheDescrOrSaysWhatAVoidHolds) {
  for (const DTypeInfo& name : kDTypes) {
    for (const DTypeInfo& row : kDTypes) {
      ExpectNamed(std::string(row.name), name, Expected(name, &row, 0));
      if (row.descr.empty()) continue;
      for (const char order : {'<', '>', '=', '|'}) {
        ExpectNamed(order + std::string(row.descr.substr(1)), name, Expected(name, &row, 0));
      }
    }
    for (const std::string order : {"<", ">", "=", "|", ""}) {
      for (const std::size_t itemsize : {1U, 2U, 4U, 8U}) {
        ExpectNamed(order + "V" + std::to_string(itemsize), name, Expected(name, nullptr, itemsize));
      }
      ExpectNamed(order + "W4", name, Expected(name, nullptr, 4));
    }
  }
}

TEST(CheckNpyHeader, TakesNoOtherNames) {
  const std::string floats = File(Header("(0,)"));
  for (const std::string name : {"<f4", "f4", "single", "bfloat17", "|V4", "<V2"}) {
    EXPECT_THAT(Check(floats, name), Fails(Reason::kConflictingFields)) << name;
    EXPECT_THAT(Check(File(Header("(0,)", "'<V2'")), name), Fails(Reason::kConflictingFields)) << name;
  }
  EXPECT_THAT(Check(File(Header("(0,)", "'|O'")), "bfloat16"), Fails(Reason::kConflictingFields));
  EXPECT_THAT(Check(File(Header("(0,)", "'<V2'"))), Fails(Reason::kAmbiguousDtype));
}

TEST(CheckNpyHeader, RefusesTheByteOrderBeforeTheDTypeWhenStrict) {
  const auto strict = [](const std::string& descr, std::string_view name) {
    const std::string file = File(Header("(0,)", "'" + descr + "'"));
    return CheckNpyHeader(ParseNpyHeader(file).value(), name, file.size(), Fidelity::kStrict, kLimits);
  };
  EXPECT_THAT(strict(">V2", "bfloat16"), Fails(Reason::kByteOrder, HasSubstr("'>V2' is big-endian")));
  EXPECT_THAT(strict(">W4", "complex32"), Fails(Reason::kByteOrder));
  EXPECT_THAT(strict(">f4", "float32"), Fails(Reason::kByteOrder));
  EXPECT_THAT(strict("<V2", "bfloat16"), Fails(Reason::kUnsupportedDtype, HasSubstr("'bfloat16'")));
  EXPECT_THAT(strict(">V1", "float8_e5m2"), Fails(Reason::kUnsupportedDtype)) << "one byte has no order";
  EXPECT_THAT(strict("<f4", "float32"), IsOk());
}

}  // namespace
}  // namespace tensorferry
