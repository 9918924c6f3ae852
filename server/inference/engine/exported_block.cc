#include "inference/engine/exported_block.h"

#include <ATen/core/function_schema.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/status.h"
#include "inference/engine/exported_arguments.h"
#include "inference/engine/exported_writes.h"
#include "inference/engine/refuse_model.h"
#include "inference/tensor/catch_torch.h"

namespace tensorferry::inference {
namespace {

constexpr std::string_view kAssertion = "aten::_assert_scalar";

// Finds the operator that the program calls "torch.ops.aten.add.Tensor".
absl::StatusOr<c10::OperatorHandle> FindOperator(std::string_view target) {
  constexpr std::string_view kPrefix = "torch.ops.";
  const std::string_view path = target.starts_with(kPrefix) ? target.substr(kPrefix.size()) : std::string_view();
  const std::size_t first = path.find('.'), last = path.rfind('.');
  if (first == std::string_view::npos || first == last) {
    return RefuseModel(fmt::format("the program calls {}, which this server does not run", Quote(target)));
  }
  const std::string name = fmt::format("{}::{}", path.substr(0, first), path.substr(first + 1, last - first - 1));
  const std::string_view overload = path.substr(last + 1);
  const c10::OperatorName operator_name(name, overload == "default" ? "" : std::string(overload));
  const auto found = c10::Dispatcher::singleton().findSchema(operator_name);
  if (found) return *found;
  if (name.starts_with("aten::")) {
    return RefuseModel(
        fmt::format("this server's torch has no operator {}", Quote(fmt::format("{}.{}", name, overload))));
  }
  return TranslateTorchError("Unknown builtin op: " + name, Reason::kModelNotReady);
}

// HigherOrder is a higher-order operator that is run here: how many arguments of each form it has.
struct HigherOrder {
  std::string_view name;
  BlockNode::Kind kind;
  std::size_t single, graphs, lists;
  bool rest = false;  // Any number of single arguments follows.
};
constexpr auto kHigherOrder = std::to_array<HigherOrder>({
    {"cond", BlockNode::Kind::kBranch, 1, 2, 1},
    {"map_impl", BlockNode::Kind::kMap, 0, 1, 2},
    {"scan", BlockNode::Kind::kScan, 0, 1, 3},
    {"while_loop", BlockNode::Kind::kLoop, 0, 2, 2},
    {"wrap_with_set_grad_enabled", BlockNode::Kind::kScope, 1, 1, 0, true},
    {"wrap_with_autocast", BlockNode::Kind::kAutocast, 4, 1, 0, true},
});

// Resolver makes the block of one graph.
class Resolver {
 public:
  explicit Resolver(at::Device device) : device_(device) {}

  absl::StatusOr<Block> Resolve(const ExportedGraph& graph) {
    Block block;
    for (const ExportedArgument& input : graph.inputs) TENSORFERRY_RETURN_IF_ERROR(AddInput(input));
    block.inputs = values_.size();
    for (const ExportedNode& node : graph.nodes) {
      auto resolved = ResolveNode(node);
      if (!resolved.ok()) {
        return WithMessage(fmt::format("node {}: {}", Quote(node.target), DescribeError(resolved.status()).message),
                           resolved.status());
      }
      block.nodes.push_back(*std::move(resolved));
    }
    for (const ExportedArgument& output : graph.outputs) {
      if (output.one() == nullptr) return RefuseModel("an output of a graph is no single value");
      TENSORFERRY_ASSIGN_OR_RETURN(BlockArgument argument, BindFree(*output.one(), values_));
      block.outputs.push_back(std::move(argument));
    }
    block.slots = values_.size();
    MarkLastUses(block);
    return block;
  }

 private:
  absl::Status AddInput(const ExportedArgument& input) {
    const ExportedValue* const value = input.one();
    if (value == nullptr) return RefuseModel("an input of a graph is no single value");
    // A constant has a place among the inputs, but nothing refers to it.
    const bool is_constant = value->name.empty();
    const auto kind = KindOf(input.kind);
    if (!is_constant && !kind) return RefuseModel(fmt::format("an input of a graph is {}", Quote(input.kind)));
    return values_
        .Define(is_constant ? fmt::format("constant {}", values_.size()) : value->name,
                kind.value_or(ValueKind::kTensor))
        .status();
  }

  absl::StatusOr<BlockNode> ResolveNode(const ExportedNode& node) {
    constexpr std::string_view kPrefix = "torch.ops.higher_order.";
    BlockNode resolved;
    if (node.target.starts_with(kPrefix)) {
      resolved.name = node.target.substr(kPrefix.size());
      TENSORFERRY_RETURN_IF_ERROR(ResolveHigherOrder(node, resolved));
    } else if ((resolved.function = FindNumberFunction(node.target)) != nullptr) {
      resolved.kind = BlockNode::Kind::kNumber;
      resolved.name = node.target;
      TENSORFERRY_RETURN_IF_ERROR(ResolveNumber(node, resolved));
    } else {
      TENSORFERRY_ASSIGN_OR_RETURN(resolved.op, FindOperator(node.target));
      TENSORFERRY_RETURN_IF_ERROR(ResolveOperator(node, resolved));
    }
    TENSORFERRY_RETURN_IF_ERROR(AddResults(node, resolved));
    return resolved;
  }

  absl::Status ResolveNumber(const ExportedNode& node, BlockNode& resolved) {
    if (node.inputs.size() != resolved.function->arity || node.outputs.size() != 1) {
      return RefuseModel(fmt::format("it has {} arguments, expected {}", node.inputs.size(), resolved.function->arity));
    }
    for (const ExportedNode::Input& input : node.inputs) TENSORFERRY_RETURN_IF_ERROR(AddFree(input.argument, resolved));
    return absl::OkStatus();
  }

  absl::Status ResolveOperator(const ExportedNode& node, BlockNode& resolved) {
    const c10::FunctionSchema& schema = resolved.op->schema();
    resolved.name = c10::toString(resolved.op->operator_name());
    if (schema.name() == kAssertion) resolved.kind = BlockNode::Kind::kAssertion;
    for (const ExportedNode::Input& input : node.inputs) {
      if (!schema.argumentIndexWithName(input.name)) {
        return RefuseModel(fmt::format("the operator has no argument {}", Quote(input.name)));
      }
    }
    for (std::size_t i = 0; i < schema.arguments().size(); ++i) {
      const c10::Argument& wanted = schema.arguments()[i];
      auto argument = ArgumentOf(node, wanted);
      if (!argument.ok()) {
        return WithMessage(
            fmt::format("argument {}: {}", Quote(wanted.name()), DescribeError(argument.status()).message),
            argument.status());
      }
      TENSORFERRY_RETURN_IF_ERROR(NoteAliases(wanted, i, *argument, resolved));
      resolved.arguments.push_back(*std::move(argument));
    }
    if (!node.outputs.empty() && node.outputs.size() != schema.returns().size()) {
      return RefuseModel(
          fmt::format("it has {} results, the operator gives {}", node.outputs.size(), schema.returns().size()));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<BlockArgument> ArgumentOf(const ExportedNode& node, const c10::Argument& wanted) const {
    const auto input = std::ranges::find(node.inputs, wanted.name(), &ExportedNode::Input::name);
    if (input != node.inputs.end()) return BindArgument(input->argument, wanted, values_, device_);
    if (!wanted.default_value()) return RefuseModel("it is missing");
    return BlockArgument{.constant = *wanted.default_value()};
  }

  // Notes whether the operator writes to the argument, and whether a result may be a view of it.
  absl::Status NoteAliases(const c10::Argument& wanted, std::size_t index, const BlockArgument& argument,
                           BlockNode& resolved) {
    if (MayReturnInput(resolved.name)) resolved.shared.push_back(index);
    if (wanted.alias_info() == nullptr) return absl::OkStatus();
    resolved.shared.push_back(index);
    if (!wanted.alias_info()->isWrite()) return absl::OkStatus();
    resolved.writes.push_back(index);
    const auto is_constant = [](const BlockArgument& one) {
      return one.from == BlockArgument::From::kConstant && !one.constant.isNone();
    };
    if (is_constant(argument) || std::ranges::any_of(argument.items, is_constant)) {
      return RefuseModel(fmt::format("argument {} is a constant, to which the operator writes", Quote(wanted.name())));
    }
    return absl::OkStatus();
  }

  absl::Status AddFree(const ExportedArgument& argument, BlockNode& resolved) {
    if (argument.one() == nullptr) return RefuseModel("an argument is no single value");
    TENSORFERRY_ASSIGN_OR_RETURN(BlockArgument bound, BindFree(*argument.one(), values_));
    resolved.arguments.push_back(std::move(bound));
    return absl::OkStatus();
  }

  absl::Status ResolveHigherOrder(const ExportedNode& node, BlockNode& resolved) {
    const auto known = std::ranges::find(kHigherOrder, resolved.name, &HigherOrder::name);
    if (known == kHigherOrder.end()) return RefuseModel("this server does not run this higher-order operator");
    resolved.kind = known->kind;
    std::size_t single = 0;
    for (const ExportedNode::Input& input : node.inputs) {
      switch (input.argument.form) {
        case ExportedArgument::Form::kGraph:
          TENSORFERRY_RETURN_IF_ERROR(AddBlock(*input.argument.graph, resolved));
          break;
        case ExportedArgument::Form::kOne:
          ++single;
          TENSORFERRY_RETURN_IF_ERROR(AddFree(input.argument, resolved));
          break;
        case ExportedArgument::Form::kList:
          resolved.groups.push_back(input.argument.items.size());
          for (const ExportedValue& value : input.argument.items) {
            TENSORFERRY_ASSIGN_OR_RETURN(BlockArgument bound, BindFree(value, values_));
            resolved.arguments.push_back(std::move(bound));
          }
      }
    }
    const bool fits = (known->rest ? single >= known->single : single == known->single) &&
                      resolved.blocks.size() == known->graphs && resolved.groups.size() == known->lists;
    if (!fits) return RefuseModel("its arguments are of another form than this server knows");
    return CheckBlocks(node, known->single, resolved);
  }

  absl::Status AddBlock(const ExportedGraph& graph, BlockNode& resolved) {
    TENSORFERRY_ASSIGN_OR_RETURN(Block block, Resolver(device_).Resolve(graph));
    resolved.blocks.push_back(std::move(block));
    return absl::OkStatus();
  }

  // Checks that the graphs take as many values as they are called with, and notes what they write to. The first
  // `own` arguments are not passed on.
  absl::Status CheckBlocks(const ExportedNode& node, std::size_t own, BlockNode& resolved) {
    const std::size_t passed = resolved.arguments.size() - own;
    for (std::size_t i = 0; i < resolved.blocks.size(); ++i) {
      const Block& block = resolved.blocks[i];
      const bool is_condition = resolved.kind == BlockNode::Kind::kLoop && i == 0;
      const std::size_t outputs = is_condition ? 1 : node.outputs.size();
      if (block.inputs != passed || block.outputs.size() != outputs) {
        return RefuseModel("a graph takes or gives another number of values than the node");
      }
      for (const Slot input : WrittenInputs(block)) resolved.writes.push_back(own + input);
    }
    if (resolved.kind == BlockNode::Kind::kLoop && resolved.groups[0] != node.outputs.size()) {
      return RefuseModel("the loop gives another number of values than it carries");
    }
    if (resolved.kind == BlockNode::Kind::kScan && resolved.groups[0] > node.outputs.size()) {
      return RefuseModel("the scan gives fewer values than it carries");
    }
    for (std::size_t i = own; i < resolved.arguments.size(); ++i) resolved.shared.push_back(i);
    return absl::OkStatus();
  }

  absl::Status AddResults(const ExportedNode& node, BlockNode& resolved) {
    for (const ExportedArgument& output : node.outputs) {
      // torch 2.6 writes the only result of a higher-order operator as a list of one.
      const bool is_alone = !resolved.blocks.empty() && output.items.size() == 1;
      BlockResult result{.kind = KindOf(output.kind),
                         .is_list = output.form == ExportedArgument::Form::kList && !is_alone,
                         .slots = {}};
      if (output.form == ExportedArgument::Form::kGraph) return RefuseModel("a result is a graph");
      if (result.kind) {
        for (const ExportedValue& value : output.items) {
          if (value.name.empty()) return RefuseModel("a result has no name");
          TENSORFERRY_ASSIGN_OR_RETURN(const Slot slot, values_.Define(value.name, *result.kind));
          result.slots.push_back(slot);
        }
      } else if (output.kind != "as_none") {
        return RefuseModel(fmt::format("a result is {}", Quote(output.kind)));
      }
      resolved.results.push_back(std::move(result));
    }
    return absl::OkStatus();
  }

  const at::Device device_;
  ExportedValues values_;
};

}  // namespace

absl::StatusOr<Block> ResolveGraph(const ExportedGraph& graph, at::Device device) {
  return Resolver(device).Resolve(graph);
}

}  // namespace tensorferry::inference
