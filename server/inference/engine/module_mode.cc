#include "inference/engine/module_mode.h"

#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/inliner.h>

#include <algorithm>
#include <memory>

namespace tensorferry::inference {
namespace {

constexpr char kTraining[] = "training";

bool ReadsMode(const torch::jit::Block& block) {
  return std::ranges::any_of(block.nodes(), [](const torch::jit::Node* node) {
    switch (node->kind()) {
      case c10::prim::CallMethod:  // The method that an interface calls is known only at run time.
      case c10::prim::CallFunction: return true;
      case c10::prim::GetAttr:
        if (node->s(c10::attr::name) == kTraining) return true;
        break;
      default: break;
    }
    return std::ranges::any_of(node->blocks(), [](const torch::jit::Block* inner) { return ReadsMode(*inner); });
  });
}

}  // namespace

bool IsInTraining(const torch::jit::Module& module) {
  for (const torch::jit::Module& part : module.modules()) {
    if (part.hasattr(kTraining) && part.attr(kTraining).isBool() && part.attr(kTraining).toBool()) return true;
  }
  return false;
}

bool DependsOnMode(const torch::jit::Method& method) {
  const torch::jit::GraphFunction* const function = torch::jit::tryToGraphFunction(method.function());
  if (function == nullptr) return true;
  const std::shared_ptr<torch::jit::Graph> graph = function->graph()->copy();
  torch::jit::Inline(*graph);
  return ReadsMode(*graph->block());
}

}  // namespace tensorferry::inference
