// Names that are too long, or have control characters, are told before anything else is said about an input or output.
#include <gmock/gmock.h>

#include <array>
#include <string>
#include <vector>

#include "rpc/oip/infer_request.h"
#include "testing/status_matchers.h"

namespace tensorferry::rpc {
namespace {

using testing::HasSubstr;

class BadNames : public testing::TestWithParam<std::string> {
 protected:
  absl::Status StatusOf(const InferRequestView& view) {
    const SharedRegions regions({.system = true});
    ParsedMessage parsed;
    RequestView request;
    std::vector<OutputPlan> plans;
    return Translate(view, {regions}, parsed, request, plans);
  }
};

const std::array<ParameterView, 2> kNowhere{
    {{"shared_memory_region", std::string_view("none")}, {"shared_memory_byte_size", std::int64_t{4}}}};

TEST_P(BadNames, AreToldBeforeWhatIsWrongWithTheInput) {
  for (const InferInputView& input :
       {InferInputView{.name = GetParam(), .datatype = "FP99", .shape = {1}},
        InferInputView{.name = GetParam(), .datatype = "INT32", .shape = {1}},
        InferInputView{.name = GetParam(), .datatype = "INT32", .shape = {1}, .parameters = {kNowhere[1]}}}) {
    InferRequestView view;
    view.inputs = {InferInputView{.name = "x", .datatype = "INT32", .shape = {0}}, input};
    EXPECT_THAT(StatusOf(view), Fails(Reason::kBadName, HasSubstr("field arrays[1].name: ")));
  }
}

TEST_P(BadNames, AreToldBeforeWhatIsWrongWithTheOutput) {
  InferRequestView view;
  view.outputs = {InferOutputView{.name = GetParam(), .parameters = {kNowhere.begin(), kNowhere.end()}}};
  EXPECT_THAT(StatusOf(view), Fails(Reason::kBadName, HasSubstr("field requested_outputs: ")));
}

INSTANTIATE_TEST_SUITE_P(Some, BadNames,
                         testing::Values(std::string(257, 'n'), std::string(100'000, 'n'), std::string("a\nb")));

TEST(GoodNames, AreQuotedWithWhatIsWrong) {
  const std::string name(256, 'n');
  InferRequestView view;
  view.inputs = {InferInputView{.name = name, .datatype = "FP99", .shape = {1}}};
  ParsedMessage parsed;
  RequestView request;
  std::vector<OutputPlan> plans;
  EXPECT_THAT(Translate(view, {SharedRegions({.system = true})}, parsed, request, plans),
              Fails(Reason::kBadDtype, HasSubstr("array 'nnn")));
}

}  // namespace
}  // namespace tensorferry::rpc
