#include "web/infer_body.h"

#include <gmock/gmock.h>

#include <cstring>
#include <string>
#include <vector>

#include "testing/status_matchers.h"

namespace tensorferry::web {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class InferBodyTest : public testing::Test {
 protected:
  absl::StatusOr<InferBody> Read(const std::string& body) { return ReadInferBody(body, body.size(), limits_); }
  absl::StatusOr<InferBody> ReadData(const std::string& datatype, const std::string& data) {
    return Read(R"({"inputs":[{"name":"x","shape":[1],"datatype":")" + datatype + R"(","data":)" + data + "}]}");
  }

  MemoryBudget budget_{std::uint64_t{1} << 20};
  BufferPool pool_{budget_, 0};
  BodyLimits limits_{.element_bytes = 1 << 20, .pool = pool_};
};

std::vector<float> FloatsOf(const InferBody& body) {
  std::vector<float> values(body.raw.at(0).bytes().size() / sizeof(float));
  std::memcpy(values.data(), body.raw[0].bytes().data(), body.raw[0].bytes().size());
  return values;
}

TEST_F(InferBodyTest, TakesPairsForComplexElements) {
  for (const std::string data : {"[[1,2],[3,4]]", "[[[1,2]],[[3,4]]]", "[[],[[1,2],[3,4]]]"}) {
    const auto body = ReadData("COMPLEX64", data);
    ASSERT_THAT(body, IsOk()) << data;
    EXPECT_THAT(FloatsOf(*body), ElementsAre(1, 2, 3, 4)) << data;
  }
}

TEST_F(InferBodyTest, RefusesWhatIsNoPair) {
  for (const std::string data :
       {"[1,2]", "[[1]]", "[[1,2,3]]", "[[1,[2,3]]]", "[[1,2,[3,4]]]", "[[[1,2],3,4]]", "[1]", "[[1,true]]"}) {
    EXPECT_THAT(ReadData("COMPLEX64", data), Fails(Reason::kBadHeader)) << data;
  }
  EXPECT_THAT(ReadData("COMPLEX64", "[[1,2],[3]]"), Fails(Reason::kBadHeader, HasSubstr("two numbers")));
}

TEST_F(InferBodyTest, SaysWhichElementOfWhichInputIsNone) {
  const auto told = [&](const std::string& datatype, const std::string& data) {
    return std::string(ReadData(datatype, data).status().message());
  };
  EXPECT_EQ(told("INT8", "[[1,2],[300]]"), "input 'x': element 2 of its data, a whole number, is no element of INT8");
  EXPECT_EQ(told("BOOL", "[true,0]"), "input 'x': element 1 of its data, a whole number, is no element of BOOL");
  EXPECT_EQ(told("FP32", "[1,\"2\"]"), "input 'x': element 1 of its data, a text, is no element of FP32");
  EXPECT_EQ(told("COMPLEX64", "[[1,2],[3,true]]"),
            "input 'x': element 1 of its data, true or false, is no element of COMPLEX64");
  EXPECT_EQ(told("COMPLEX64", "[[1,2],[3]]"),
            "input 'x': element 1 of its data is no list of two numbers, as COMPLEX64 has them");
  EXPECT_EQ(told("FP32", "[1,null]"), "input 'x': its data has a null in it");
  EXPECT_EQ(told("FP32", "1"), "input 'x': its data is a whole number, and no list");
  const auto unnamed =
      Read(R"({"inputs":[{"datatype":"INT8","data":[1]},{"datatype":"INT8","data":[1.5],"name":"y"}]})");
  EXPECT_THAT(unnamed, Fails(Reason::kBadHeader, HasSubstr("input 'inputs[1]': element 0 of its data, a number, is")));
  EXPECT_THAT(Read("{}"), Fails(Reason::kBadHeader, HasSubstr("inputs is missing")));
}

TEST_F(InferBodyTest, ReadsDataBeforeItsDatatype) {
  const auto body = Read(R"({"inputs":[{"data":[[1,2]],"datatype":"COMPLEX64"},{"data":["a"],"datatype":"BYTES"}]})");
  ASSERT_THAT(body, IsOk());
  EXPECT_THAT(FloatsOf(*body), ElementsAre(1, 2));
  EXPECT_EQ(body->raw[1].bytes(), std::string("\1\0\0\0a", 5));
}

TEST_F(InferBodyTest, CountsElementsAsLongAsTheyLive) {
  std::string data = "[1";
  for (int i = 1; i < 20'000; ++i) data += ",1";
  {
    const auto body = ReadData("FP32", data + "]");
    ASSERT_THAT(body, IsOk());
    EXPECT_GE(budget_.used(), 20'000 * sizeof(float));
  }
  EXPECT_EQ(budget_.used(), 0);
}

TEST_F(InferBodyTest, RefusesElementsForWhichThereIsNoRoom) {
  std::string data = "[1";
  for (int i = 1; i < 20'000; ++i) data += ",1";
  {
    const auto others = pool_.Reserve(budget_.limit() - 40'000);
    EXPECT_THAT(ReadData("FP64", data + "]"), Fails(Reason::kMemoryBudget));
  }
  limits_.element_bytes = 40'000;
  EXPECT_THAT(ReadData("FP64", data + "]"), Fails(Reason::kTensorTooLarge));
  EXPECT_EQ(budget_.used(), 0);
}

TEST_F(InferBodyTest, RefusesATextForWhoseReadingThereIsNoRoom) {
  const std::string text = '"' + std::string(200'000, 'x') + '"';
  EXPECT_THAT(ReadData("BYTES", "[" + text + "]"), Fails(Reason::kTensorTooLarge));
  EXPECT_EQ(budget_.used(), 0);
}

}  // namespace
}  // namespace tensorferry::web
