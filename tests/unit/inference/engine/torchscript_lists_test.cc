// Lists of tensors as arguments of forward, and within what it returns.
#include <gmock/gmock.h>
#include <torch/csrc/jit/api/module.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "inference/engine/torchscript_signature.h"
#include "testing/status_matchers.h"
#include "testing/torchscript_run.h"

namespace tensorferry::inference {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

class TorchScriptLists : public testing::Test {
 protected:
  // `source` is that of forward, from its arguments on.
  absl::Status Make(const std::string& source, const std::vector<std::string>& inputs = {}) {
    module_ = torch::jit::Module("Model");
    module_.define("def forward(self" + source);
    ModelConfig config;
    for (const std::string& name : inputs) config.inputs.push_back({.name = name, .dims = {1}});
    auto made = TorchScriptSignature::Make(module_.get_method("forward").function(), config);
    if (made.ok()) signature_.emplace(*std::move(made));
    return made.status();
  }

  absl::StatusOr<NamedValues> Run(const NamedValues& inputs) { return RunForward(*signature_, module_, inputs); }

  static std::vector<std::string> Names(const std::vector<TensorSpec>& specs) {
    std::vector<std::string> names;
    for (const TensorSpec& spec : specs) names.push_back(spec.name);
    return names;
  }

  torch::jit::Module module_{"Model"};
  std::optional<TorchScriptSignature> signature_;
};

TEST_F(TorchScriptLists, HaveAsManyTensorsAsTheCodeTakesOut) {
  ASSERT_THAT(Make(", x, state: List[Tensor]):\n  hidden, cell = state\n  return x + hidden * cell\n"), IsOk());
  EXPECT_THAT(Names(signature_->inputs()), ElementsAre("x", "state[0]", "state[1]"));
  EXPECT_THAT(*Run({{"state[1]", 5}, {"x", 1}, {"state[0]", 3}}), ElementsAre(Pair("OUTPUT__0", 16)));
  EXPECT_THAT(Run({{"x", 1}, {"state[0]", 3}}), Fails(Reason::kInputMismatch, HasSubstr("'state[1]' is missing")));
}

TEST_F(TorchScriptLists, HaveAsManyTensorsAsTheConfigurationLists) {
  const std::string source = ", xs: List[Tensor], y):\n  return torch.cat(xs).sum() * y\n";
  ASSERT_THAT(Make(source, {"xs[1]", "y", "xs[0]", "xs[2]"}), IsOk());
  EXPECT_THAT(Names(signature_->inputs()), ElementsAre("xs[1]", "y", "xs[0]", "xs[2]"));
  EXPECT_THAT(*Run({{"xs[0]", 1}, {"xs[1]", 2}, {"xs[2]", 4}, {"y", 10}}), ElementsAre(Pair("OUTPUT__0", 70)));
  ASSERT_THAT(Make(source, {"xs[0]", "y"}), IsOk());
  EXPECT_THAT(*Run({{"xs[0]", 3}, {"y", 10}}), ElementsAre(Pair("OUTPUT__0", 30)));
}

TEST_F(TorchScriptLists, AreFilledWithinTuplesAndBesideOthers) {
  ASSERT_THAT(Make(", a: Tuple[List[Tensor], Tensor], b: List[Tensor]):\n"
                   "  return a[0][0] - a[0][1] * a[1], b[0]\n",
                   {"a[0][0]", "a[0][1]", "a[1]", "b[0]"}),
              IsOk());
  EXPECT_THAT(*Run({{"a[0][0]", 20}, {"a[0][1]", 3}, {"a[1]", 4}, {"b[0]", 7}}),
              ElementsAre(Pair("OUTPUT__0", 8), Pair("OUTPUT__1", 7)));
}

TEST_F(TorchScriptLists, OfAnyLengthAreRefused) {
  const std::string source = ", xs: List[Tensor]):\n  return torch.cat(xs)\n";
  const std::string why =
      "forward takes any number of tensors as 'xs'; a config.pbtxt must say which there are, as inputs 'xs[0]', "
      "'xs[1]' "
      "and so on";
  EXPECT_THAT(Make(source), Fails(Reason::kModelNotReady, why));
  for (const std::string name :
       {"xs", "xs[]", "xs[-1]", "xs[0", "xs[a]", "xs[0][0]", "xs[99999999999999999999]", "INPUT__0"}) {
    EXPECT_THAT(Make(source, {name}), Fails(Reason::kModelNotReady, why)) << name;
  }
  EXPECT_THAT(Make(source, {"xs[0]", "xs[2]"}),
              Fails(Reason::kModelNotReady, "config.pbtxt has no input for forward's argument 'xs[1]'"));
  EXPECT_THAT(Make(", x, t: Tuple[Tensor, List[Tensor]]):\n  return x\n"),
              Fails(Reason::kModelNotReady, HasSubstr("as 't[1]'")));
  EXPECT_THAT(Make(", xs: List[Tensor]):\n  if len(xs) == 2:\n    a, b = xs\n  return xs[0]\n"),
              Fails(Reason::kModelNotReady, why));
}

TEST_F(TorchScriptLists, AreTakenApartInTheResultIfTheCodeWritesThemOut) {
  ASSERT_THAT(Make(", x):\n  return [x + 1, x + 2], (x, [x + 3])\n"), IsOk());
  EXPECT_THAT(Names(signature_->outputs()), ElementsAre("OUTPUT__0", "OUTPUT__1", "OUTPUT__2", "OUTPUT__3"));
  EXPECT_THAT(*Run({{"x", 0}}),
              ElementsAre(Pair("OUTPUT__0", 1), Pair("OUTPUT__1", 2), Pair("OUTPUT__2", 0), Pair("OUTPUT__3", 3)));
}

TEST_F(TorchScriptLists, OfUnknownLengthInTheResultAreRefused) {
  for (const char* made : {"  ys = [x]\n  ys.append(x)\n", "  ys = [x + i for i in range(3)]\n",
                           "  ys = [x] if bool(x > 0) else [x, x]\n", "  ys = torch.split(x, 1)\n"}) {
    EXPECT_THAT(Make(std::string(", x):\n") + made + "  return x, ys\n"),
                Fails(Reason::kModelNotReady, HasSubstr("of which output 'OUTPUT__1' is Tensor[]")))
        << made;
  }
}

}  // namespace
}  // namespace tensorferry::inference
