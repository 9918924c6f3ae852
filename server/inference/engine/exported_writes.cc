#include "inference/engine/exported_writes.h"

#include <algorithm>
#include <array>

namespace tensorferry::inference {
namespace {

using From = BlockArgument::From;

// Calls `visit` with each slot that an argument reads.
template <typename Argument, typename Visit>
void ForEachUse(Argument& argument, Visit visit) {
  if (argument.from == From::kSlot || argument.from == From::kLastUse) visit(argument);
  for (auto& item : argument.items) {
    if (item.from == From::kSlot || item.from == From::kLastUse) visit(item);
  }
}

}  // namespace

std::vector<Slot> WrittenInputs(const Block& block) {
  std::vector<std::vector<Slot>> shares(block.slots);  // For each value those of which it may be a view.
  std::vector<Slot> written;
  for (const BlockNode& node : block.nodes) {
    std::vector<Slot> shared;
    for (const std::size_t index : node.shared) {
      ForEachUse(node.arguments[index], [&](const BlockArgument& use) { shared.push_back(use.slot); });
    }
    for (const BlockResult& result : node.results) {
      for (const Slot slot : result.slots) {
        if (slot != kNoSlot) shares[slot] = shared;
      }
    }
    for (const std::size_t index : node.writes) {
      ForEachUse(node.arguments[index], [&](const BlockArgument& use) { written.push_back(use.slot); });
    }
  }
  std::vector<bool> is_written(block.slots);
  while (!written.empty()) {
    const Slot slot = written.back();
    written.pop_back();
    if (is_written[slot]) continue;
    is_written[slot] = true;
    written.insert(written.end(), shares[slot].begin(), shares[slot].end());
  }
  std::vector<Slot> inputs;
  for (Slot slot = 0; slot < block.inputs; ++slot) {
    if (is_written[slot]) inputs.push_back(slot);
  }
  return inputs;
}

bool MayReturnInput(std::string_view name) {
  static constexpr auto kNames = std::to_array<std::string_view>(
      {"dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout", "meshgrid", "meshgrid.indexing",
       "broadcast_tensors", "atleast_1d", "atleast_2d", "atleast_3d", "atleast_1d.Sequence", "atleast_2d.Sequence",
       "atleast_3d.Sequence", "lift", "pin_memory", "type_as", "cartesian_prod", "pad"});
  constexpr std::string_view kLibrary = "aten::";
  return name.starts_with(kLibrary) && std::ranges::count(kNames, name.substr(kLibrary.size())) > 0;
}

void MarkLastUses(Block& block) {
  std::vector<bool> used(block.slots);
  const auto mark = [&](BlockArgument& use) {
    use.from = used[use.slot] ? From::kSlot : From::kLastUse;
    used[use.slot] = true;
  };
  const auto mark_all = [&](std::vector<BlockArgument>& arguments) {
    for (auto argument = arguments.rbegin(); argument != arguments.rend(); ++argument) {
      for (auto item = argument->items.rbegin(); item != argument->items.rend(); ++item) {
        if (item->from != From::kConstant) mark(*item);
      }
      if (argument->from == From::kSlot || argument->from == From::kLastUse) mark(*argument);
    }
  };
  mark_all(block.outputs);
  for (auto node = block.nodes.rbegin(); node != block.nodes.rend(); ++node) {
    for (BlockResult& result : node->results) {
      for (Slot& slot : result.slots) {
        if (slot != kNoSlot && !used[slot]) slot = kNoSlot;
      }
    }
    mark_all(node->arguments);
  }
}

}  // namespace tensorferry::inference
