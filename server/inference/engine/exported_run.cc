#include "inference/engine/exported_run.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <functional>

#include "inference/engine/exported_constants.h"

namespace tensorferry::inference {
namespace {

using From = BlockArgument::From;
using Frame = std::vector<c10::IValue>;

c10::IValue Converted(BlockArgument::As as, c10::IValue value) {
  switch (as) {
    case BlockArgument::As::kItself: return value;
    case BlockArgument::As::kFloat: return static_cast<double>(value.toInt());
    case BlockArgument::As::kTensor: return TensorOfNumber(value);
  }
  __builtin_unreachable();
}

c10::IValue ValueOf(const BlockArgument& argument, Frame& frame) {
  switch (argument.from) {
    case From::kConstant: return argument.constant;
    case From::kSlot: return Converted(argument.as, frame[argument.slot]);
    case From::kLastUse: return Converted(argument.as, std::move(frame[argument.slot]));
    case From::kList: break;
  }
  c10::impl::GenericList list(argument.element);
  list.reserve(argument.items.size());
  for (const BlockArgument& item : argument.items) list.push_back(ValueOf(item, frame));
  return list;
}

// Checks that a value is of the kind that the program says, on which its uses rely.
void Store(ValueKind kind, c10::IValue value, c10::IValue& slot) {
  const auto is_kind = [&] {
    switch (kind) {
      case ValueKind::kTensor: return value.isTensor();
      case ValueKind::kInt: return value.isInt();
      case ValueKind::kFloat: return value.isDouble();
      case ValueKind::kBool: return value.isBool();
    }
    __builtin_unreachable();
  };
  if (kind == ValueKind::kFloat && value.isInt()) value = static_cast<double>(value.toInt());
  TORCH_CHECK(is_kind(), "it gave ", value.tagKind(), ", which is not what the program says");
  slot = std::move(value);
}

// Stores the results that a node gave. A node may have no results although its operator gives some.
void StoreResults(const BlockNode& node, std::vector<c10::IValue>& given, Frame& frame) {
  if (node.results.empty()) return;
  TORCH_CHECK(given.size() == node.results.size(), "it gave ", given.size(), " results, the program says ",
              node.results.size());
  for (std::size_t i = 0; i < given.size(); ++i) {
    const BlockResult& result = node.results[i];
    if (!result.kind) continue;
    if (!result.is_list) {
      if (result.slots.front() != kNoSlot) Store(*result.kind, std::move(given[i]), frame[result.slots.front()]);
      continue;
    }
    TORCH_CHECK(given[i].isList(), "it gave no list, which the program says");
    const auto elements = given[i].toListRef();
    TORCH_CHECK(elements.size() == result.slots.size(), "it gave a list of ", elements.size(), ", the program says ",
                result.slots.size());
    for (std::size_t j = 0; j < elements.size(); ++j) {
      if (result.slots[j] != kNoSlot) Store(*result.kind, elements[j], frame[result.slots[j]]);
    }
  }
}

}  // namespace

void KeptMemory::Add(const c10::Storage& storage) {
  const auto* const begin = static_cast<const std::byte*>(storage.data());
  if (storage.nbytes() > 0) ranges_.emplace_back(begin, begin + storage.nbytes());
}

void KeptMemory::Sort() { std::ranges::sort(ranges_, std::less<>()); }

bool KeptMemory::Holds(const at::Tensor& tensor) const {
  if (!tensor.defined() || !tensor.has_storage()) return false;
  const auto* const begin = static_cast<const std::byte*>(tensor.storage().data());
  const auto after =
      std::ranges::upper_bound(ranges_, begin, std::less<>(), [](const auto& range) { return range.first; });
  return after != ranges_.begin() && std::less<>()(begin, std::prev(after)->second);
}

std::vector<c10::IValue> BlockRun::Run(const Block& block, std::vector<c10::IValue> inputs) {
  Frame frame = std::move(inputs);
  frame.resize(block.slots);
  for (const BlockNode& node : block.nodes) RunNode(node, frame);
  std::vector<c10::IValue> outputs;
  outputs.reserve(block.outputs.size());
  for (const BlockArgument& output : block.outputs) outputs.push_back(ValueOf(output, frame));
  return outputs;
}

void BlockRun::RunNode(const BlockNode& node, Frame& frame) {
  node_ = &node;
  stack_.clear();
  for (const BlockArgument& argument : node.arguments) stack_.push_back(ValueOf(argument, frame));
  switch (node.kind) {
    case BlockNode::Kind::kOperator:
      if (!node.writes.empty()) [[unlikely]]
        CheckWrites(node);
      node.op->callBoxed(stack_);
      return StoreResults(node, stack_, frame);
    case BlockNode::Kind::kNumber: {
      c10::IValue result = node.function->call(stack_);
      stack_.clear();
      stack_.push_back(std::move(result));
      return StoreResults(node, stack_, frame);
    }
    case BlockNode::Kind::kAssertion: {
      const c10::IValue& condition = stack_[0];
      const bool holds = condition.isBool() ? condition.toBool() : condition.toScalar().toBool();
      if (!holds) throw FailedAssertion(stack_[1].toStringRef());
      return;
    }
    default: break;
  }
  if (!node.writes.empty()) CheckWrites(node);
  std::vector<c10::IValue> arguments(std::make_move_iterator(stack_.begin()), std::make_move_iterator(stack_.end()));
  std::vector<c10::IValue> results = HigherOrder(node, std::move(arguments));
  node_ = &node;
  StoreResults(node, results, frame);
}

// Nothing that a file says may change what later runs begin with. The program gets copies of what it writes to
// (exported_program.h), so this fails only if an operator gave a view without a word about it in its schema.
void BlockRun::CheckWrites(const BlockNode& node) const {
  const auto check = [&](const c10::IValue& value) {
    TORCH_CHECK(!value.isTensor() || !kept_.Holds(value.toTensor()),
                "it would change a weight in place, of which this server does not know that the program does");
  };
  for (const std::size_t index : node.writes) {
    if (stack_[index].isList()) {
      for (const c10::IValue& element : stack_[index].toListRef()) check(element);
    } else {
      check(stack_[index]);
    }
  }
}

}  // namespace tensorferry::inference
