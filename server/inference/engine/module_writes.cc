#include "inference/engine/module_writes.h"

#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/inliner.h>

#include <algorithm>
#include <memory>

namespace tensorferry::inference {
namespace {

namespace jit = torch::jit;

// Removes from the graph what a module does only while it is trained: in evaluation mode `training` is false
// everywhere. Batch normalisation, for example, counts its batches there.
void CutTrainingOut(std::shared_ptr<jit::Graph>& graph) {
  const auto cut = [&](const auto& self, jit::Block* block) -> void {
    for (jit::Node* const node : block->nodes()) {
      for (jit::Block* const inner : node->blocks()) self(self, inner);
      if (node->kind() != c10::prim::GetAttr || node->s(c10::attr::name) != "training") continue;
      const jit::WithInsertPoint before(node);
      node->output()->replaceAllUsesWith(graph->insertConstant(false));
    }
  };
  cut(cut, graph->block());
  jit::ConstantPropagationImmutableTypes(graph);
}

bool IsModule(const jit::Value& value) {
  const auto type = value.type()->cast<c10::ClassType>();
  return type != nullptr && type->is_module();
}

// Returns whether a normalisation updates its running statistics. Its schema does not tell that it writes to them
// (https://github.com/pytorch/pytorch/blob/v2.13.0/aten/src/ATen/native/native_functions.yaml).
bool UpdatesStatistics(const jit::Node& node) {
  constexpr std::size_t kRunningMean = 3, kUsesInput = 5;
  const bool has_statistics = node.input(kRunningMean)->type()->kind() != c10::TypeKind::NoneType;
  const auto uses_input = torch::jit::constant_as<bool>(node.input(kUsesInput));
  return has_statistics && uses_input.value_or(true);
}

bool IsContainer(const jit::Value& value) {
  const c10::TypeKind kind = value.type()->kind();
  return kind == c10::TypeKind::ListType || kind == c10::TypeKind::DictType || kind == c10::TypeKind::TupleType;
}

// Attributes finds out what the graph of a method does to the attributes of its module.
class Attributes {
 public:
  explicit Attributes(const std::shared_ptr<jit::Graph>& graph) { Look(graph); }

  bool are_written() const { return written_ || (reads_container_ && writes_to_element_); }

 private:
  void Look(const std::shared_ptr<jit::Graph>& graph) {
    // isFrozen: the analysis gives each attribute that is read its own memory, and does not mistake it for others of
    // its type.
    const jit::AliasDb aliases(graph, /*isFrozen=*/true);
    Look(aliases, graph->block());
  }

  void Look(const jit::AliasDb& aliases, const jit::Block* block) {
    for (const jit::Node* const node : block->nodes()) {
      Look(aliases, node);
      if (node->hasAttribute(c10::attr::Subgraph)) Look(node->g(c10::attr::Subgraph));
      for (const jit::Block* const inner : node->blocks()) Look(aliases, inner);
    }
  }

  void Look(const jit::AliasDb& aliases, const jit::Node* node) {
    switch (node->kind()) {
      case c10::prim::SetAttr:
      case c10::prim::CallMethod:  // The method that an interface calls is known only at run time.
      case c10::prim::CallFunction: written_ = true; break;
      case c10::aten::batch_norm:
      case c10::aten::instance_norm: written_ = written_ || UpdatesStatistics(*node); break;
      case c10::prim::GetAttr:
        if (IsModule(*node->output())) break;
        written_ = written_ || aliases.hasWriters(node->output());
        reads_container_ = reads_container_ || IsContainer(*node->output());
        break;
      case c10::aten::__getitem__:
      case c10::aten::values:
      case c10::prim::ListUnpack:
      case c10::prim::TupleIndex:
      case c10::prim::TupleUnpack:
        writes_to_element_ = writes_to_element_ || std::ranges::any_of(node->outputs(), [&](const jit::Value* element) {
                               return aliases.hasWriters(element);
                             });
        break;
      default: break;
    }
  }

  bool written_ = false;
  // The method reads a list, dictionary or tuple; the analysis does not tell their elements apart.
  bool reads_container_ = false;
  bool writes_to_element_ = false;  // Whether an element of any container is changed.
};

}  // namespace

bool WritesToItself(const jit::Method& method, bool in_training) {
  const jit::GraphFunction* const function = jit::tryToGraphFunction(method.function());
  if (function == nullptr) return true;
  std::shared_ptr<jit::Graph> graph = function->graph()->copy();
  jit::Inline(*graph);
  if (!in_training) CutTrainingOut(graph);
  return Attributes(graph).are_written();
}

}  // namespace tensorferry::inference
