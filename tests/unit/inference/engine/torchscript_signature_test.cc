// Names become arguments of forward, and its value becomes names. Between the two, torch itself runs the methods.
#include "inference/engine/torchscript_signature.h"

#include <gmock/gmock.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/frontend/resolver.h>
#include <torch/csrc/jit/frontend/sugared_value.h>

#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/status.h"
#include "testing/status_matchers.h"
#include "testing/torchscript_run.h"

namespace tensorferry::inference {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

// EndsResolver knows two NamedTuples: Ends, of two tensors, and Heads, whose second field may be None.
class EndsResolver final : public torch::jit::NativeResolver {
 public:
  c10::TypePtr resolveType(const std::string& name, const torch::jit::SourceRange&) override {
    const c10::TypePtr tensor = c10::TensorType::get();
    if (name == "Ends") return Named(name, {"first", "last"}, {tensor, tensor});
    if (name == "Heads") return Named(name, {"logits", "aux"}, {tensor, c10::OptionalType::create(tensor)});
    return nullptr;
  }
  std::shared_ptr<torch::jit::SugaredValue> resolveValue(const std::string& name, torch::jit::GraphFunction& method,
                                                         const torch::jit::SourceRange& place) override {
    const c10::TypePtr type = resolveType(name, place);
    if (!type) return NativeResolver::resolveValue(name, method, place);
    return std::make_shared<torch::jit::NamedTupleConstructor>(type->expect<c10::TupleType>());
  }

 private:
  static c10::TypePtr Named(const std::string& name, const std::vector<std::string>& fields,
                            const std::vector<c10::TypePtr>& types) {
    return c10::TupleType::createNamed(c10::QualifiedName("__torch__." + name), fields, types);
  }
};

class TorchScriptSignatureTest : public testing::Test {
 protected:
  // `source` is that of forward, from its arguments on.
  absl::Status Make(const std::string& source, const ModelConfig& config = {}) {
    module_.define("def forward(self" + source);
    return MakeOfModule(config);
  }

  absl::Status MakeOfModule(const ModelConfig& config) {
    auto made = TorchScriptSignature::Make(module_.get_method("forward").function(), config);
    if (made.ok()) signature_.emplace(*std::move(made));
    return made.status();
  }

  // `body` is the last statement of forward(self, x). It may make a NamedTuple called Ends.
  absl::Status MakeOf(const std::string& body, const ModelConfig& config = {}) {
    module_ = torch::jit::Module("Model");
    module_.define("def forward(self, x):\n  " + body + "\n", std::make_shared<EndsResolver>());
    return MakeOfModule(config);
  }

  absl::StatusOr<NamedValues> Run(const NamedValues& inputs) { return RunForward(*signature_, module_, inputs); }

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

TEST_F(TorchScriptSignatureTest, TakesTuplesApart) {
  ASSERT_THAT(Make(", x, state: Tuple[Tensor, Tuple[Tensor, Tensor]]):\n"
                   "  return x + state[0], (state[1][0], (state[1][1],))\n"),
              IsOk());
  EXPECT_THAT(Names(signature_->inputs()), ElementsAre("x", "state[0]", "state[1][0]", "state[1][1]"));
  EXPECT_THAT(*Run({{"state[1][1]", 8}, {"x", 1}, {"state[0]", 2}, {"state[1][0]", 4}}),
              ElementsAre(Pair("OUTPUT__0", 3), Pair("OUTPUT__1", 4), Pair("OUTPUT__2", 8)));
  EXPECT_THAT(Run({{"x", 1}, {"state[0]", 2}, {"state[1][0]", 4}}),
              Fails(Reason::kInputMismatch, HasSubstr("'state[1][1]' is missing")));
}

TEST_F(TorchScriptSignatureTest, TakesNamedTuplesApartByTheirFields) {
  module_.define("def forward(self, x, ends: Ends):\n  return ends, Ends(x, x + 1)\n",
                 std::make_shared<EndsResolver>());
  ASSERT_THAT(MakeOfModule({}), IsOk());
  EXPECT_THAT(Names(signature_->inputs()), ElementsAre("x", "ends[first]", "ends[last]"));
  EXPECT_THAT(*Run({{"x", 1}, {"ends[first]", 5}, {"ends[last]", 6}}),
              ElementsAre(Pair("OUTPUT__0", 5), Pair("OUTPUT__1", 6), Pair("OUTPUT__2", 1), Pair("OUTPUT__3", 2)));
}

TEST_F(TorchScriptSignatureTest, NamesElementsOfTuplesAsTheConfigurationDoes) {
  const ModelConfig config{
      .inputs = {{.name = "last__2", .dims = {1}}, {.name = "state[0]", .dims = {1}}, {.name = "x", .dims = {1}}}};
  ASSERT_THAT(Make(", x, state: Tuple[Tensor, Tensor]):\n  return x - state[0] * state[1]\n", config), IsOk());
  EXPECT_THAT(*Run({{"x", 20}, {"state[0]", 2}, {"last__2", 3}}), ElementsAre(Pair("OUTPUT__0", 14)));
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

// The forms of outputs: each returns x + 1 first, and x + 2 second.
struct Form {
  std::string name, source;
  std::vector<std::string> own;  // What the model calls the two.
};
const std::vector<Form> kForms{
    {"Tuple", "return x + 1, x + 2", {"OUTPUT__0", "OUTPUT__1"}},
    {"NamedTuple", "return Ends(x + 1, x + 2)", {"first", "last"}},
    {"NestedTuple", "return ((x + 1,), x + 2)", {"OUTPUT__0", "OUTPUT__1"}},
    {"List", "return [x + 1, x + 2]", {"OUTPUT__0", "OUTPUT__1"}},
    {"Dictionary", "return {'out': x + 1, 'aux': x + 2}", {"out", "aux"}},
};

struct OutputNaming {
  std::string name;
  // As the configuration names them; "<0>" and "<1>" stand for the model's own names.
  std::vector<std::string> configured;
  std::vector<double> values;  // For x = 0.
};
const std::vector<OutputNaming> kOutputNamings{
    {"OwnNames", {"<0>", "<1>"}, {1, 2}},
    {"OwnNamesInAnotherOrder", {"<1>", "<0>"}, {2, 1}},
    {"OneOwnName", {"<1>"}, {2}},
    {"Places", {"RESULT__0", "RESULT__1"}, {1, 2}},
    {"PlacesInAnotherOrder", {"any__1", "other__0"}, {2, 1}},
    {"OnePlace", {"OUTPUT__1"}, {2}},
    {"NameAndPlace", {"<1>", "other__0"}, {2, 1}},
    {"OtherNames", {"left", "right"}, {1, 2}},
    {"OneOtherName", {"left"}, {1}},
};

class NamesAndSelectsOutputs : public TorchScriptSignatureTest,
                               public testing::WithParamInterface<std::tuple<Form, OutputNaming>> {};

TEST_P(NamesAndSelectsOutputs, InEachWayForEachForm) {
  const auto& [form, naming] = GetParam();
  ModelConfig config;
  NamedValues expected;
  for (std::size_t i = 0; i < naming.configured.size(); ++i) {
    std::string name = naming.configured[i];
    if (name.starts_with('<')) name = form.own[static_cast<std::size_t>(name[1] - '0')];
    config.outputs.push_back({.name = name, .dims = {1}});
    expected.emplace_back(name, naming.values[i]);
  }
  ASSERT_THAT(MakeOf(form.source, config), IsOk());
  const auto values = Run({{"x", 0}});
  ASSERT_THAT(values, IsOk());
  EXPECT_EQ(*values, expected);
  EXPECT_THAT(signature_->warnings(), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Forms, NamesAndSelectsOutputs,
                         testing::Combine(testing::ValuesIn(kForms), testing::ValuesIn(kOutputNamings)),
                         [](const auto& test) { return std::get<0>(test.param).name + std::get<1>(test.param).name; });

TEST_F(TorchScriptSignatureTest, GivesAllOutputsTheirOwnNamesWithoutAConfiguration) {
  for (const Form& form : kForms) {
    ASSERT_THAT(MakeOf(form.source), IsOk()) << form.name;
    const auto values = Run({{"x", 0}});
    ASSERT_THAT(values, IsOk()) << form.name;
    EXPECT_THAT(*values, ElementsAre(Pair(form.own[0], 1), Pair(form.own[1], 2))) << form.name;
  }
}

// What a list or dictionary holds is known only when the model has run.
struct LateCase {
  std::string name, source;
  std::vector<std::string> configured;
  std::string why;  // The whole text.
  friend void PrintTo(const LateCase& c, std::ostream* out) { *out << c.name; }
};
class OutputsThatDoNotFit : public TorchScriptSignatureTest, public testing::WithParamInterface<LateCase> {};

TEST_P(OutputsThatDoNotFit, AreAFaultOfTheConfiguration) {
  ModelConfig config;
  for (const std::string& name : GetParam().configured) config.outputs.push_back({.name = name, .dims = {1}});
  ASSERT_THAT(MakeOf(GetParam().source, config), IsOk());
  EXPECT_THAT(Run({{"x", 0}}), Fails(Reason::kModelFailed, GetParam().why));
}

INSTANTIATE_TEST_SUITE_P(
    Texts, OutputsThatDoNotFit,
    testing::Values(
        LateCase{"OneOfTwoKeys",
                 "return {'out': x, 'aux': x}",
                 {"out", "oux"},
                 "config.pbtxt: output 'oux' is none of the model's own, ['out', 'aux'], and does not end in __ and a "
                 "place"},
        LateCase{"MoreThanKeys",
                 "return {'out': x}",
                 {"a", "b"},
                 "config.pbtxt has 2 outputs, but the model 1; their names must be the model's own, or end in __ and "
                 "the place, or stand in the model's order"},
        LateCase{"PlaceBeyondKeys",
                 "return {'out': x}",
                 {"OUTPUT__1"},
                 "config.pbtxt: output 'OUTPUT__1' names a place where the model has no output; its outputs are "
                 "['out']"},
        LateCase{"KeyAndPlace",
                 "return {'out': x, 'aux': x}",
                 {"aux", "OUTPUT__1"},
                 "config.pbtxt: outputs 'aux' and 'OUTPUT__1' both mean the model's output 'aux'"},
        LateCase{"MoreThanListed",
                 "return [x]",
                 {"a", "b"},
                 "config.pbtxt: output 'b' is number 1 of the model's list, which has 1"},
        LateCase{"PlaceBeyondList",
                 "return [x]",
                 {"OUTPUT__3"},
                 "config.pbtxt: output 'OUTPUT__3' is number 3 of the model's list, which has 1"}),
    [](const auto& test) { return test.param.name; });

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

TEST_F(TorchScriptSignatureTest, RefusesWhatDoesNotFitTheConfiguration) {
  const ConfiguredTensor a{.name = "a", .dims = {1}}, b{.name = "b", .dims = {1}}, c{.name = "c", .dims = {1}};
  module_.define("def forward(self, a, b):\n  return a - b\n");
  torch::jit::Function& forward = module_.get_method("forward").function();
  EXPECT_THAT(TorchScriptSignature::Make(forward, {.inputs = {a, b, c}}),
              Fails(Reason::kModelNotReady, HasSubstr("config.pbtxt has 3 inputs, but the model 2")));
  EXPECT_THAT(TorchScriptSignature::Make(forward, {.inputs = {a}}),
              Fails(Reason::kModelNotReady, HasSubstr("no input for forward's argument 'b'")));
  EXPECT_THAT(TorchScriptSignature::Make(forward, {.inputs = {a, a}}), Fails(Reason::kModelNotReady));
  EXPECT_THAT(TorchScriptSignature::Make(forward, {.outputs = {a, b}}),
              Fails(Reason::kModelNotReady, HasSubstr("config.pbtxt has 2 outputs, but the model 1")));
}

TEST_F(TorchScriptSignatureTest, NamesTheFieldThatMayBeNone) {
  EXPECT_THAT(MakeOf("return Heads(x, None)"),
              Fails(Reason::kModelNotReady, HasSubstr("of which output 'aux' is Tensor?; tensors and lists")));
}

struct RefusedCase {
  std::string source;
  std::string why;
};
class RefusedForward : public TorchScriptSignatureTest, public testing::WithParamInterface<RefusedCase> {};

TEST_P(RefusedForward, SaysWhy) { EXPECT_THAT(Make(GetParam().source), Fails(Reason::kModelNotReady, GetParam().why)); }

std::string Unfilled(const std::string& type) {
  return "forward's argument 'a' is " + type + ", which no array can fill";
}

std::string Unsent(const std::string& type, const std::string& output, const std::string& fault) {
  return "forward returns " + type + ", of which output '" + output + "' is " + fault +
         "; tensors and lists of strings, tuples of them, lists of tensors in tuples if the code writes them out, and "
         "a "
         "list or dictionary of tensors by name, can be sent";
}

INSTANTIATE_TEST_SUITE_P(
    Inputs, RefusedForward,
    testing::Values(RefusedCase{", a: int):\n  return torch.zeros(a)\n", Unfilled("int")},
                    RefusedCase{", a: float):\n  return torch.zeros(1)\n", Unfilled("float")},
                    RefusedCase{", a: bool):\n  return torch.zeros(1)\n", Unfilled("bool")},
                    RefusedCase{", a: str):\n  return torch.zeros(1)\n", Unfilled("str")},
                    RefusedCase{", a: List[int]):\n  return torch.zeros(1)\n", Unfilled("int[]")},
                    RefusedCase{", a: Dict[int, Tensor]):\n  return a[0]\n", Unfilled("Dict(int, Tensor)")},
                    RefusedCase{", a: Tuple[Tensor, int]):\n  return a[0]\n", Unfilled("(Tensor, int)")},
                    RefusedCase{", a: Tuple[Tensor, Tuple[Tensor, str]]):\n  return a[0]\n",
                                Unfilled("(Tensor, (Tensor, str))")},
                    RefusedCase{", a: Optional[Tuple[Tensor, Tensor]]):\n  return torch.zeros(1)\n",
                                Unfilled("(Tensor, Tensor)?")}));

INSTANTIATE_TEST_SUITE_P(
    Outputs, RefusedForward,
    testing::Values(RefusedCase{", a):\n  return int(a)\n", Unsent("int", "OUTPUT__0", "int")},
                    RefusedCase{", a):\n  return 'a'\n", Unsent("str", "OUTPUT__0", "str")},
                    RefusedCase{", a) -> Optional[Tensor]:\n  return a\n", Unsent("Tensor?", "OUTPUT__0", "Tensor?")},
                    RefusedCase{", a):\n  return a, 1\n", Unsent("(Tensor, int)", "OUTPUT__1", "int")},
                    RefusedCase{", a):\n  return [[a]]\n", Unsent("Tensor[][]", "OUTPUT__0", "Tensor[][]")},
                    RefusedCase{", a):\n  return {1: a}\n",
                                Unsent("Dict(int, Tensor)", "OUTPUT__0", "Dict(int, Tensor)")}));

}  // namespace
}  // namespace tensorferry::inference
