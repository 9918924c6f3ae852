#include "files/safetensors.h"

#include <gmock/gmock.h>

#include <ostream>
#include <string>
#include <vector>

#include "files/safetensors_writer.h"
#include "testing/status_matchers.h"

namespace tensorferry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string LengthBytes(std::uint64_t length) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(length >> 8 * i & 0xFF);
  return bytes;
}

// FileOf is a file with this header and so many bytes of elements.
std::string FileOf(const std::string& header, std::size_t data_nbytes) {
  return LengthBytes(header.size()) + header + std::string(data_nbytes, '\0');
}

absl::StatusOr<std::vector<SafetensorsTensor>> Parse(const std::string& file) {
  return ParseSafetensorsHeader(file, file.size());
}

std::string Entry(const std::string& name, const std::string& dtype, const std::string& shape, const std::string& at) {
  return '"' + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + at + '}';
}

TEST(SafetensorsHeader, GivesTensorsInTheOrderOfTheirElements) {
  const std::string header = "{" + Entry("b", "F32", "[2,1]", "[2,10]") + R"(,"__metadata__":{"format":"pt"},)" +
                             Entry("empty", "I64", "[0,3]", "[2,2]") + "," + Entry("a", "BF16", "[]", "[0,2]") + "}  ";
  const auto tensors = Parse(FileOf(header, 10));
  ASSERT_THAT(tensors, IsOk());
  const std::uint64_t data = 8 + header.size();
  std::vector<std::string> names;
  for (const auto& tensor : *tensors) names.push_back(tensor.name);
  EXPECT_THAT(names, ElementsAre("a", "empty", "b"));
  EXPECT_EQ(tensors->back().dtype, "F32");
  EXPECT_THAT(tensors->back().shape, ElementsAre(2, 1));
  EXPECT_EQ(tensors->back().begin, data + 2);
  EXPECT_EQ(tensors->back().end, data + 10);
  EXPECT_THAT(tensors->front().shape, ElementsAre());
}

TEST(SafetensorsHeader, NeedsNoMoreOfTheFileThanItself) {
  const std::string header = "{" + Entry("x", "U8", "[1000]", "[0,1000]") + "}";
  EXPECT_THAT(ParseSafetensorsHeader(FileOf(header, 0), 8 + header.size() + 1000), IsOk());
}

TEST(SafetensorsHeader, TakesAFileWithoutTensors) { EXPECT_THAT(Parse(FileOf("{}", 0)), IsOk()); }

struct RejectCase {
  std::string name, header;
  std::size_t data_nbytes;
  Reason reason;
  std::string message;
  friend void PrintTo(const RejectCase& c, std::ostream* out) { *out << c.name; }
};
class SafetensorsRejects : public testing::TestWithParam<RejectCase> {};

TEST_P(SafetensorsRejects, SayingWhy) {
  const auto& [name, header, data_nbytes, reason, message] = GetParam();
  EXPECT_THAT(Parse(FileOf(header, data_nbytes)), Fails(reason, HasSubstr(message)));
}

std::vector<RejectCase> Cases() {
  const std::string x = Entry("x", "F32", "[1]", "[0,4]");
  const auto one = [](const std::string& dtype, const std::string& shape, const std::string& at) {
    return "{" + Entry("x", dtype, shape, at) + "}";
  };
  constexpr Reason kBad = Reason::kBadHeader;
  return {
      {"Empty", "", 0, kBad, "does not begin with {"},
      {"List", "[]", 0, kBad, "does not begin with {"},
      {"CutShort", "{" + x, 4, kBad, "not JSON at byte"},
      {"TextAfterIt", "{" + x + "} x", 4, kBad, "not JSON at byte"},
      {"NulAfterIt", "{" + x + std::string("}\0", 2), 4, kBad, "a NUL at byte"},
      {"NotUtf8", "{\"\xFF\":1}", 0, kBad, "not JSON at byte"},
      {"NoObject", R"({"x":1})", 0, kBad, "tensor 'x', which is to be an object, has a number"},
      {"Nested", R"({"x":{"dtype":{}}})", 0, kBad, "the dtype of tensor 'x', which is to be a string, has an object"},
      {"FieldTwice", R"({"x":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4, kBad,
       "tensor 'x' has 'dtype' twice"},
      {"NameTwice", "{" + x + "," + Entry("x", "F32", "[1]", "[4,8]") + "}", 8, kBad, "key 'x' comes twice"},
      {"FieldMissing", R"({"x":{"dtype":"F32","shape":[1]}})", 4, kBad, "and has 2 of them"},
      {"FieldUnknown", R"({"x":{"dtypes":"F32"}})", 4, kBad, "has key 'dtypes'"},
      {"MetadataNumber", R"({"__metadata__":{"a":1}})", 0, kBad, "whose values are to be strings, has a number"},
      {"MetadataList", R"({"__metadata__":[]})", 0, kBad, "__metadata__, which is to be an object, has a list"},
      {"NegativeDim", one("F32", "[-1]", "[0,4]"), 4, kBad, "has a negative number"},
      {"FractionDim", one("F32", "[1.0]", "[0,4]"), 4, kBad, "has a fraction or a huge number"},
      {"HugeDim", one("F32", "[9223372036854775808]", "[0,4]"), 4, kBad, "at most 2^63 - 1 is taken"},
      {"OneOffset", one("F32", "[1]", "[0]"), 4, kBad, "has 1 data_offsets instead of two"},
      {"ThreeOffsets", one("F32", "[1]", "[0,4,8]"), 4, kBad, "more than two data_offsets"},
      {"Reversed", one("F32", "[1]", "[4,0]"), 4, kBad, "data_offsets [4, 0]"},
      {"BehindTheEnd", one("F32", "[2]", "[0,8]"), 4, Reason::kSizeMismatch, "expected 8, got 4"},
      {"Gap", "{" + x + "," + Entry("y", "U8", "[1]", "[5,6]") + "}", 6, kBad, "expected 4, got 5"},
      {"Overlap", "{" + x + "," + Entry("y", "U8", "[1]", "[3,4]") + "}", 4, kBad, "expected 4, got 3"},
      {"TooFewBytes", one("F32", "[2]", "[0,4]"), 4, Reason::kSizeMismatch, "shape [2]: expected 8, got 4"},
      {"HalfAByte", one("F4", "[3]", "[0,2]"), 2, Reason::kSizeMismatch, "12 bits are no whole bytes"},
      {"Overflow", one("F32", "[4294967296,4294967296]", "[0,4]"), 4, Reason::kSizeOverflow, "larger than 2^63"},
      {"BitsOverflow", one("F64", "[4611686018427387904]", "[0,4]"), 4, Reason::kSizeOverflow, "larger than 2^63"},
      {"BytesAfterIt", "{" + x + "}", 5, Reason::kTrailingBytes, "expected 4, got 5"},
  };
}

INSTANTIATE_TEST_SUITE_P(Malformed, SafetensorsRejects, testing::ValuesIn(Cases()),
                         [](const auto& test) { return test.param.name; });

TEST(SafetensorsHeader, RefusesMoreDimensionsThanNumPyHas) {
  std::string shape = "[1";
  for (int i = 0; i < 64; ++i) shape += ",1";
  const std::string header = "{" + Entry("x", "U8", shape + "]", "[0,1]") + "}";
  EXPECT_THAT(Parse(FileOf(header, 1)), Fails(Reason::kTooManyDims, HasSubstr("array 'x'")));
}

TEST(SafetensorsHeader, RefusesWrongLengths) {
  EXPECT_THAT(Parse("1234567"), Fails(Reason::kBadHeader, HasSubstr("expected 8, got 7")));
  EXPECT_THAT(Parse(LengthBytes(3) + "{}"), Fails(Reason::kBadHeader, HasSubstr("expected 3, got 2")));
  EXPECT_THAT(Parse(LengthBytes(100'000'001) + "{}"), Fails(Reason::kBadHeader, HasSubstr("at most 100000000")));
}

TEST(SafetensorsHeader, IsCutShortAtEveryLength) {
  const std::string file = FileOf("{" + Entry("x", "F32", "[1]", "[0,4]") + "}", 4);
  for (std::size_t nbytes = 0; nbytes < file.size(); ++nbytes) {
    EXPECT_FALSE(Parse(file.substr(0, nbytes)).ok()) << nbytes;
  }
}

TEST(SafetensorsHeader, LeavesATensorOfAnotherDTypeToItself) {
  const auto tensors =
      Parse(FileOf("{" + Entry("f4", "F4", "[4]", "[0,2]") + "," + Entry("new", "F99", "[4]", "[2,7]") + "," +
                       Entry("x", "C64", "[1]", "[7,15]") + "}",
                   15));
  ASSERT_THAT(tensors, IsOk());
  EXPECT_THAT(DTypeOf(tensors->at(0)), Fails(Reason::kUnsupportedDtype, HasSubstr("'F4' has elements of 4 bits")));
  EXPECT_THAT(DTypeOf(tensors->at(1)), Fails(Reason::kBadDtype, HasSubstr("'F99' is not one of safetensors")));
  EXPECT_EQ(*DTypeOf(tensors->at(2)), DType::kComplex64);
}

TEST(SafetensorsWriter, WritesWhatIsReadBack) {
  const std::vector<std::int64_t> shape{2, 3};
  const std::vector<SafetensorsMember> members{{"b/ü", DType::kFloat64, shape, 48}, {"a", DType::kBool, {}, 1}};
  const auto header = SafetensorsHeaderBytes(members);
  ASSERT_THAT(header, IsOk());
  EXPECT_EQ(header->size() % 8, 0);
  const auto tensors = Parse(*header + std::string(49, '\0'));
  ASSERT_THAT(tensors, IsOk());
  EXPECT_EQ(tensors->at(0).name, "b/ü");
  EXPECT_EQ(tensors->at(0).dtype, "F64");
  EXPECT_THAT(tensors->at(0).shape, ElementsAre(2, 3));
  EXPECT_EQ(tensors->at(1).name, "a");
}

TEST(SafetensorsWriter, RefusesWhatTheFormatLacks) {
  const std::vector<SafetensorsMember> complex{{"x", DType::kComplex128, {}, 16}};
  EXPECT_THAT(SafetensorsHeaderBytes(complex), Fails(Reason::kUnsupportedDtype, HasSubstr("complex128")));
  const std::vector<SafetensorsMember> twice{{"x", DType::kBool, {}, 1}, {"x", DType::kBool, {}, 1}};
  EXPECT_THAT(SafetensorsHeaderBytes(twice), Fails(Reason::kBadName));
  const std::vector<SafetensorsMember> reserved{{"__metadata__", DType::kBool, {}, 1}};
  EXPECT_THAT(SafetensorsHeaderBytes(reserved), Fails(Reason::kBadName));
}

TEST(LooksLikeSafetensors, GoesByLengthAndBrace) {
  EXPECT_TRUE(LooksLikeSafetensors(FileOf("{}", 0)));
  EXPECT_FALSE(LooksLikeSafetensors(R"([1, 2, 3{"x": 1}])"));
  EXPECT_FALSE(LooksLikeSafetensors(LengthBytes(2)));
}

}  // namespace
}  // namespace tensorferry
