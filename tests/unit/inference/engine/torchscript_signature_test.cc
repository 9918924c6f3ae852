// Names become arguments of forward, and its value becomes names. Between the two, torch itself runs the methods.
#include "inference/engine/torchscript_signature.h"

#include <ATen/Functions.h>
#include <gmock/gmock.h>
#include <torch/csrc/jit/api/module.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "testing/status_matchers.h"

namespace tensorferry::inference {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

using Values = std::vector<std::pair<std::string, double>>;  // Outputs by name, of one element each.

class TorchScriptSignatureTest : public testing::Test {
 protected:
  // `source` is that of forward, from its arguments on.
  absl::Status Make(const std::string& source, const ModelConfig& config = {}) {
    module_.define("def forward(self" + source);
    auto made = TorchScriptSignature::Make(module_.get_method("forward").function().getSchema(), config);
    if (made.ok()) signature_.emplace(*std::move(made));
    return made.status();
  }

  absl::StatusOr<Values> Run(const std::map<std::string, double>& inputs) {
    std::vector<NamedTensor> tensors;
    for (const auto& [name, value] : inputs) tensors.push_back({name, at::full({1}, value)});
    TENSORFERRY_ASSIGN_OR_RETURN(std::vector<c10::IValue> arguments, signature_->Arguments(std::move(tensors)));
    TENSORFERRY_ASSIGN_OR_RETURN(const std::vector<NamedTensor> outputs,
                                 signature_->Outputs(module_.get_method("forward")(std::move(arguments))));
    Values values;
    for (const NamedTensor& output : outputs) values.emplace_back(output.name, output.tensor.item<double>());
    return values;
  }

  static std::vector<std::string> Names(const std::vector<TensorSpec>& specs) {
    std::vector<std::string> names;
    for (const TensorSpec& spec : specs) names.push_back(spec.name + (spec.optional ? "?" : ""));
    return names;
  }

  torch::jit::Module module_{"Model"};
  std::optional<TorchScriptSignature> signature_;
};

TEST_F(TorchScriptSignatureTest, NamesInputsAsForwardDoes) {
  ASSERT_THAT(Make(", a, b):\n  return a - b\n"), IsOk());
  EXPECT_THAT(Names(signature_->inputs()), ElementsAre("a", "b"));
  EXPECT_THAT(Names(signature_->outputs()), ElementsAre("OUTPUT__0"));
  EXPECT_THAT(*Run({{"b", 2}, {"a", 5}}), ElementsAre(Pair("OUTPUT__0", 3))) << "in whatever order they come";
  EXPECT_THAT(Run({{"a", 5}}), Fails(Reason::kInputMismatch, HasSubstr("'b' is missing")));
}

TEST_F(TorchScriptSignatureTest, LeavesDefaultsToForward) {
  ASSERT_THAT(Make(", a, scale: float = 3.0, b: Optional[Tensor] = None):\n"
                   "  return a * scale if b is None else a * scale + b\n"),
              IsOk());
  EXPECT_THAT(Names(signature_->inputs()), ElementsAre("a", "b?")) << "no array fills a float";
  EXPECT_THAT(*Run({{"a", 2}}), ElementsAre(Pair("OUTPUT__0", 6)));
  EXPECT_THAT(*Run({{"a", 2}, {"b", 1}}), ElementsAre(Pair("OUTPUT__0", 7)));
}

TEST_F(TorchScriptSignatureTest, NumbersTheOutputsOfATuple) {
  ASSERT_THAT(Make(", a):\n  return a, a + 1, a + 2\n"), IsOk());
  EXPECT_THAT(Names(signature_->outputs()), ElementsAre("OUTPUT__0", "OUTPUT__1", "OUTPUT__2"));
  EXPECT_THAT(*Run({{"a", 1}}), ElementsAre(Pair("OUTPUT__0", 1), Pair("OUTPUT__1", 2), Pair("OUTPUT__2", 3)));
}

TEST_F(TorchScriptSignatureTest, LearnsTheOutputsOfAListFromTheValue) {
  ASSERT_THAT(Make(", a):\n  return [a, a + 1]\n"), IsOk());
  EXPECT_THAT(signature_->outputs(), IsEmpty());
  EXPECT_THAT(*Run({{"a", 1}}), ElementsAre(Pair("OUTPUT__0", 1), Pair("OUTPUT__1", 2)));
}

TEST_F(TorchScriptSignatureTest, TakesAndGivesADictionaryByItsKeys) {
  ASSERT_THAT(Make(", inputs: Dict[str, Tensor], scale: float = 2.0):\n"
                   "  return {'sum': inputs['a'] + inputs['b'], 'scaled': inputs['a'] * scale}\n"),
              IsOk());
  EXPECT_THAT(signature_->inputs(), IsEmpty()) << "any";
  EXPECT_THAT(*Run({{"a", 1}, {"b", 5}}), ElementsAre(Pair("sum", 6), Pair("scaled", 2)));
}

TEST_F(TorchScriptSignatureTest, GivesTheKeysThatTheConfigurationNames) {
  ASSERT_THAT(Make(", a):\n  return {'one': a + 1, 'two': a + 2}\n",
                   {.outputs = {{.name = "two", .dims = {1}}, {.name = "one", .dims = {1}}}}),
              IsOk());
  EXPECT_THAT(*Run({{"a", 0}}), ElementsAre(Pair("two", 2), Pair("one", 1)));
}

TEST_F(TorchScriptSignatureTest, RefusesToGiveAKeyThatIsNotThere) {
  ASSERT_THAT(Make(", a):\n  return {'one': a + 1}\n", {.outputs = {{.name = "two", .dims = {1}}}}), IsOk());
  EXPECT_THAT(Run({{"a", 0}}), Fails(Reason::kModelFailed, HasSubstr("output 'two' is none of them")));
}

TEST_F(TorchScriptSignatureTest, RefusesToGiveMoreThanAListHas) {
  ASSERT_THAT(Make(", a):\n  return [a]\n", {.outputs = {{.name = "x", .dims = {1}}, {.name = "y", .dims = {1}}}}),
              IsOk());
  EXPECT_THAT(Run({{"a", 0}}), Fails(Reason::kModelFailed, HasSubstr("returned 1 tensors, and output 'y'")));
}

// A configuration names inputs as forward does, by the number behind "__", or in their order.
struct NamingCase {
  std::string first, second;  // As the configuration names them.
  double expected;            // The result of 5 as the first and 2 as the second.
};
class ConfiguredInputs : public TorchScriptSignatureTest, public testing::WithParamInterface<NamingCase> {};

TEST_P(ConfiguredInputs, ReachTheArgumentsThatTheyMean) {
  const auto& [first, second, expected] = GetParam();
  ASSERT_THAT(
      Make(", a, b):\n  return a - b\n", {.inputs = {{.name = first, .dims = {1}}, {.name = second, .dims = {1}}}}),
      IsOk());
  EXPECT_THAT(Names(signature_->inputs()), ElementsAre(first, second));
  EXPECT_THAT(*Run({{first, 5}, {second, 2}}), ElementsAre(Pair("OUTPUT__0", expected)));
}

INSTANTIATE_TEST_SUITE_P(Names, ConfiguredInputs,
                         testing::Values(NamingCase{"a", "b", 3}, NamingCase{"b", "a", -3},
                                         NamingCase{"INPUT__0", "INPUT__1", 3}, NamingCase{"INPUT__1", "INPUT__0", -3},
                                         NamingCase{"pixels", "mask", 3}, NamingCase{"b", "INPUT__0", -3}));

TEST_F(TorchScriptSignatureTest, GivesTheOutputsThatTheConfigurationNames) {
  ASSERT_THAT(Make(", a):\n  return a, a + 1, a + 2\n",
                   {.outputs = {{.name = "last__2", .dims = {1}}, {.name = "first__0", .dims = {1}}}}),
              IsOk());
  EXPECT_THAT(*Run({{"a", 0}}), ElementsAre(Pair("last__2", 2), Pair("first__0", 0)));
}

TEST_F(TorchScriptSignatureTest, RefusesWhatDoesNotFitTheConfiguration) {
  const ConfiguredTensor a{.name = "a", .dims = {1}}, b{.name = "b", .dims = {1}}, c{.name = "c", .dims = {1}};
  module_.define("def forward(self, a, b):\n  return a - b\n");
  const c10::FunctionSchema& forward = module_.get_method("forward").function().getSchema();
  EXPECT_THAT(TorchScriptSignature::Make(forward, {.inputs = {a, b, c}}),
              Fails(Reason::kModelNotReady, HasSubstr("config.pbtxt has 3 inputs, but the model 2")));
  EXPECT_THAT(TorchScriptSignature::Make(forward, {.inputs = {a}}),
              Fails(Reason::kModelNotReady, HasSubstr("no input for forward's argument 'b'")));
  EXPECT_THAT(TorchScriptSignature::Make(forward, {.inputs = {a, a}}), Fails(Reason::kModelNotReady));
  EXPECT_THAT(TorchScriptSignature::Make(forward, {.outputs = {a, b}}),
              Fails(Reason::kModelNotReady, HasSubstr("config.pbtxt has 2 outputs, but the model 1")));
}

struct RefusedCase {
  std::string source;
  std::string why;
};
class RefusedForward : public TorchScriptSignatureTest, public testing::WithParamInterface<RefusedCase> {};

TEST_P(RefusedForward, SaysWhy) { EXPECT_THAT(Make(GetParam().source), Fails(Reason::kModelNotReady, GetParam().why)); }

INSTANTIATE_TEST_SUITE_P(
    Sources, RefusedForward,
    testing::Values(RefusedCase{", a, n: int):\n  return a * n\n",
                                "forward's argument 'n' is int, which no array can fill"},
                    RefusedCase{", a: List[Tensor]):\n  return a[0]\n",
                                "forward's argument 'a' is Tensor[], which no array can fill"},
                    RefusedCase{", a):\n  return int(a)\n",
                                "forward returns int; tensors, or a flat tuple, list or dictionary of tensors by name, "
                                "can be sent"},
                    RefusedCase{", a):\n  return a, (a, a)\n",
                                "forward returns (Tensor, (Tensor, Tensor)); tensors, or a flat tuple, list or "
                                "dictionary of tensors by name, can be sent"}));

}  // namespace
}  // namespace tensorferry::inference
