#include "inference/serving/input_check.h"

#include <gmock/gmock.h>

#include <ostream>

#include "testing/arrays.h"
#include "testing/status_matchers.h"

namespace tensorferry::inference {
namespace {

using testing::HasSubstr;

struct SentInput {
  std::string name, dtype;
  std::vector<std::int64_t> shape;
};

struct InputCase {
  std::string name;
  std::vector<SentInput> sent;
  std::string why;  // Empty if the input is fine.
  friend void PrintTo(const InputCase& c, std::ostream* out) { *out << c.name; }
};
class Inputs : public testing::TestWithParam<InputCase> {
 protected:
  absl::Status Check(const ModelInfo& model) const {
    std::vector<ArrayHeader> headers;
    for (const SentInput& sent : GetParam().sent) headers.push_back(GoodHeader(sent.dtype, sent.shape));
    std::vector<InputDeclaration> declarations;
    for (std::size_t i = 0; i < headers.size(); ++i) {
      declarations.push_back({GetParam().sent[i].name, Info(headers[i].dtype()).name, headers[i].shape()});
    }
    return CheckInputs(model, declarations);
  }
};

void ExpectWhy(const absl::Status& status, const std::string& why) {
  if (why.empty()) {
    EXPECT_THAT(status, IsOk());
  } else {
    EXPECT_THAT(status, Fails(Reason::kInputMismatch, HasSubstr(why)));
  }
}

class InputsOfAModel : public Inputs {};
TEST_P(InputsOfAModel, AreCheckedAgainstItsSpecs) {
  ExpectWhy(Check({.name = "m",
                   .inputs = {{.name = "a", .dtype = "float32", .shape = {2, -1}},
                              {.name = "b", .dtype = "", .optional = true}}}),
            GetParam().why);
}
INSTANTIATE_TEST_SUITE_P(
    Cases, InputsOfAModel,
    testing::ValuesIn(std::vector<InputCase>{
        {"Fit", {{"a", "<f4", {2, 5}}}, ""},
        {"OptionalGiven", {{"b", "|i1", {7}}, {"a", ">f4", {2, 0}}}, ""},
        {"Missing", {{"b", "<f4", {1}}}, "input 'a' of model 'm' is missing"},
        {"Extra", {{"a", "<f4", {2, 1}}, {"c", "<f4", {}}}, "array 'c' is not an input; model 'm' takes ['a', 'b']"},
        {"Twice", {{"a", "<f4", {2, 1}}, {"a", "<f4", {2, 1}}}, "array 'a' comes twice"},
        {"Nameless", {{"", "<f4", {2, 1}}}, "array '' has no name"},
        {"Dtype", {{"a", "<f8", {2, 1}}}, "array 'a' is float64; model 'm' takes float32"},
        {"Rank", {{"a", "<f4", {2}}}, "array 'a' has shape [2]; model 'm' takes [2, -1]"},
        {"Dim", {{"a", "<f4", {3, 1}}}, "array 'a' has shape [3, 1]; model 'm' takes [2, -1]"},
    }),
    [](const auto& test) { return test.param.name; });

class InputsOfABatch : public Inputs {};
TEST_P(InputsOfABatch, HaveAsManyRowsEach) { ExpectWhy(Check({.name = "m", .max_batch_size = 4}), GetParam().why); }
INSTANTIATE_TEST_SUITE_P(
    Cases, InputsOfABatch,
    testing::ValuesIn(std::vector<InputCase>{
        {"One", {{"a", "<f4", {1, 5}}}, ""},
        {"Most", {{"a", "<f4", {4}}, {"b", "<i8", {4, 2}}}, ""},
        {"None", {{"a", "<f4", {0, 5}}}, "array 'a' has shape [0, 5]; model 'm' takes a first dimension from 1 to 4"},
        {"TooMany", {{"a", "<f4", {5}}}, "array 'a' has shape [5]"},
        {"Scalar", {{"a", "<f4", {}}}, "array 'a' has shape []"},
        {"Unequal", {{"a", "<f4", {2}}, {"b", "<f4", {3}}}, "array 'b' has 3 rows, array 'a' has 2"},
    }),
    [](const auto& test) { return test.param.name; });

TEST(Outputs, AreCheckedAsFarAsTheyAreKnown) {
  const std::vector<std::string> wanted{"y", "z"};
  EXPECT_THAT(CheckOutputs({.name = "m"}, wanted), IsOk());
  EXPECT_THAT(CheckOutputs({.name = "m", .outputs = {{.name = "z"}, {.name = "y"}}}, wanted), IsOk());
  EXPECT_THAT(CheckOutputs({.name = "m", .outputs = {{.name = "y"}}}, wanted),
              Fails(Reason::kUnknownOutput, HasSubstr("model 'm' has no output 'z'")));
}

}  // namespace
}  // namespace tensorferry::inference
