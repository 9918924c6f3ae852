#include "inference/engine/module_writes.h"

#include <ATen/Functions.h>
#include <gmock/gmock.h>

#include <string>

namespace tensorferry::inference {
namespace {

const std::string kNormalise = "  return torch.batch_norm(x, None, None, self.state, self.weight, ";

struct WritesCase {
  std::string name;
  std::string body;  // The statements of forward(self, x).
  bool writes;
  bool in_training = false;
  friend void PrintTo(const WritesCase& c, std::ostream* out) { *out << c.name; }
};
class ModuleWrites : public testing::TestWithParam<WritesCase> {};

TEST_P(ModuleWrites, AreSeenInTheGraph) {
  torch::jit::Module inner("Inner");
  inner.register_buffer("count", at::zeros({1}));
  inner.define(
      "def forward(self, x):\n  self.count.add_(1)\n  return x\ndef read(self, x):\n  return x + self.count\n");
  torch::jit::Module module("Model");
  module.register_parameter("weight", at::ones({2}), /*is_buffer=*/false);
  module.register_buffer("state", at::zeros({2}));
  module.register_attribute("calls", c10::IntType::get(), 0);
  module.register_attribute("training", c10::BoolType::get(), true);
  module.register_attribute("list", c10::ListType::ofTensors(), c10::List<at::Tensor>({at::zeros({2})}));
  module.register_module("inner", inner);
  module.define("def forward(self, x):\n" + GetParam().body);
  module.train(GetParam().in_training);
  EXPECT_EQ(WritesToItself(module.get_method("forward"), GetParam().in_training), GetParam().writes);
}

INSTANTIATE_TEST_SUITE_P(
    Modules, ModuleWrites,
    testing::Values(
        WritesCase{"OnlyReads", "  return x * self.weight + self.state\n", false},
        WritesCase{"ReadsInAnotherModule", "  return self.inner.read(x)\n", false},
        WritesCase{"WritesToItsInput", "  x.add_(self.weight)\n  return x\n", false},
        WritesCase{"WritesToWhatItMade", "  y = self.weight * 2\n  y.add_(1)\n  return y\n", false},
        WritesCase{"WritesToACopy", "  y = self.state.clone()\n  y.add_(1)\n  return y\n", false},
        WritesCase{"WritesWhileTrained", "  if self.training:\n    self.state.add_(1)\n  return x\n", false},
        WritesCase{"WritesInTraining", "  if self.training:\n    self.state.add_(1)\n  return x\n", true, true},
        WritesCase{"ReadsInTraining", "  return x * self.weight if self.training else x\n", false, true},
        WritesCase{"NormalisesInEvaluation", kNormalise + "self.training, 0.1, 1e-5, False)\n", false},
        WritesCase{"NormalisesInTraining", kNormalise + "self.training, 0.1, 1e-5, False)\n", true, true},
        WritesCase{"NormalisesAlwaysAsInTraining", kNormalise + "True, 0.1, 1e-5, False)\n", true},
        WritesCase{"NormalisesByTheInput",
                   "  return torch.batch_norm(x, None, None, None, None, True, 0.1, 1e-5, False)\n", false},
        WritesCase{"ReadsAList", "  return self.list[0] + x\n", false},
        WritesCase{"ReadsAnInt", "  a, b = x.unbind()\n  a.add_(1)\n  return a + self.calls\n", false},
        WritesCase{"AppendsToAList", "  self.list.append(x)\n  return x\n", true},
        WritesCase{"WritesToAnElement", "  self.list[0].add_(1)\n  return x\n", true},
        WritesCase{"WritesToEachElement", "  for t in self.list:\n    t.add_(1)\n  return x\n", true},
        WritesCase{"Assigns", "  self.calls = self.calls + 1\n  return x\n", true},
        WritesCase{"AssignsATensor", "  self.state = self.state + x\n  return self.state\n", true},
        WritesCase{"AssignsInABranch", "  if bool(x.sum() > 0):\n    self.calls = 1\n  return x\n", true},
        WritesCase{"WritesInPlace", "  self.state.add_(1)\n  return self.state.clone()\n", true},
        WritesCase{"WritesIntoAnElement", "  self.state[0] = x.sum()\n  return x\n", true},
        WritesCase{"WritesThroughAView", "  y = self.state.view([2])\n  y.mul_(2)\n  return x\n", true},
        WritesCase{"WritesInALoop", "  for i in range(3):\n    self.state.add_(i)\n  return x\n", true},
        WritesCase{"WritesInAnotherModule", "  return self.inner.forward(x)\n", true}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace tensorferry::inference
