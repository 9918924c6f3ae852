#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/stack.h>

#include <cstddef>
#include <stdexcept>
#include <utility>
#include <vector>

#include "inference/engine/exported_block.h"

namespace tensorferry::inference {

// FailedAssertion is thrown by a run in which a condition does not hold that the program asserts. what() is the
// program's own text about it.
struct FailedAssertion : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// KeptMemory is memory that runs share. No run may write to it.
class KeptMemory {
 public:
  void Add(const c10::Storage& storage);

  // Call it after the last Add.
  void Sort();

  // Returns whether the tensor lies in this memory.
  bool Holds(const at::Tensor& tensor) const;

 private:
  std::vector<std::pair<const std::byte*, const std::byte*>> ranges_;  // Begin and end, sorted, none within another.
};

// BlockRun is one run of a program.
// Throws: FailedAssertion; what operators throw.
class BlockRun {
 public:
  explicit BlockRun(const KeptMemory& kept) : kept_(kept) {}

  // Runs the block, and returns its outputs. There is an input for each of the block's.
  std::vector<c10::IValue> Run(const Block& block, std::vector<c10::IValue> inputs);

  // Returns the node that runs, or ran when something was thrown. Null: none has begun.
  const BlockNode* node() const { return node_; }

 private:
  using Frame = std::vector<c10::IValue>;

  void RunNode(const BlockNode& node, Frame& frame);
  void CheckWrites(const BlockNode& node) const;
  std::vector<c10::IValue> HigherOrder(const BlockNode& node, std::vector<c10::IValue> arguments);
  std::vector<c10::IValue> Map(const BlockNode& node, const std::vector<c10::IValue>& arguments);
  std::vector<c10::IValue> Scan(const BlockNode& node, std::vector<c10::IValue> arguments);
  std::vector<c10::IValue> Loop(const BlockNode& node, std::vector<c10::IValue> arguments);
  std::vector<c10::IValue> WithAutocast(const BlockNode& node, std::vector<c10::IValue> arguments);

  const KeptMemory& kept_;
  const BlockNode* node_ = nullptr;
  torch::jit::Stack stack_;
};

}  // namespace tensorferry::inference
