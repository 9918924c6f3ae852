// An exported program as it runs: every name is resolved.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>
#include <c10/core/Device.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/engine/exported_numbers.h"
#include "inference/engine/exported_schema.h"

namespace tensorferry::inference {

// A Slot is the place of a value while a block runs.
using Slot = std::uint32_t;
inline constexpr Slot kNoSlot = std::numeric_limits<Slot>::max();

enum class ValueKind : std::uint8_t { kTensor, kInt, kFloat, kBool };

// BlockArgument says where an argument of a node comes from.
struct BlockArgument {
  enum class From : std::uint8_t {
    kConstant,
    kSlot,
    kLastUse,  // From a slot that nothing reads afterwards.
    kList,
  };
  enum class As : std::uint8_t { kItself, kFloat, kTensor };  // What a number becomes: torch converts none.
  From from = From::kConstant;
  As as = As::kItself;
  Slot slot = kNoSlot;
  c10::IValue constant;
  std::vector<BlockArgument> items;  // Of the list.
  c10::TypePtr element;              // The type of the list's elements.
};

// BlockResult says what becomes of one value that a node gives.
struct BlockResult {
  std::optional<ValueKind> kind;  // Nothing: it is None, or nobody needs it.
  bool is_list = false;
  std::vector<Slot> slots;  // kNoSlot: nobody needs it.
};

struct BlockNode;

// A Block is a graph: its inputs are in the first slots.
struct Block {
  std::size_t slots = 0, inputs = 0;
  std::vector<BlockNode> nodes;
  std::vector<BlockArgument> outputs;
};

struct BlockNode {
  enum class Kind : std::uint8_t { kOperator, kNumber, kAssertion, kBranch, kMap, kScan, kLoop, kScope, kAutocast };
  Kind kind = Kind::kOperator;
  std::string name;                          // "aten::add.Tensor".
  std::optional<c10::OperatorHandle> op;     // kOperator.
  const NumberFunction* function = nullptr;  // kNumber.
  std::vector<Block> blocks;                 // kBranch: if true, if false. kLoop: condition, body. Else: the body.
  std::vector<std::size_t> groups;           // Higher-order operators: how many arguments each list of theirs has.
  std::vector<BlockArgument> arguments;
  std::vector<std::size_t> writes;  // The arguments that a run changes in place.
  std::vector<std::size_t> shared;  // The arguments whose memory a result may share.
  std::vector<BlockResult> results;
};

// Resolves a graph. `device` is the one on which the program runs, whatever devices the graph names.
// Errors: MODEL_NOT_READY, with the node that cannot be run.
absl::StatusOr<Block> ResolveGraph(const ExportedGraph& graph, at::Device device);

}  // namespace tensorferry::inference
