#include "inference/engine/torchscript_lists.h"

#include <ATen/core/function_schema.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <string_view>
#include <vector>

namespace tensorferry::inference {
namespace {

namespace jit = torch::jit;

constexpr std::size_t kMaxLength = 1024;  // What a configuration can ask for.

// Returns the index in "NAME[INDEX]". Returns nothing if `input` is called otherwise.
std::optional<std::size_t> IndexIn(std::string_view input, std::string_view name) {
  if (!input.starts_with(name) || !input.ends_with(']')) return std::nullopt;
  input.remove_prefix(name.size());
  input.remove_suffix(1);
  if (!input.starts_with('[')) return std::nullopt;
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(input.data() + 1, input.data() + input.size(), index);
  const bool is_number = error == std::errc() && end == input.data() + input.size();
  return is_number && index < kMaxLength ? std::optional(index) : std::nullopt;
}

// Returns the code of `forward`; null if it has none that can be read.
std::shared_ptr<jit::Graph> CodeOf(jit::Function& forward) {
  forward.ensure_defined();
  const jit::GraphFunction* const function = jit::tryToGraphFunction(forward);
  return function == nullptr ? nullptr : function->graph();
}

// Returns into how many values the code takes a list apart, whatever else it does.
std::optional<std::size_t> UnpackedLength(const jit::Value& list) {
  for (const jit::Use& use : list.uses()) {
    const bool is_always = use.user->owningBlock() == list.owningGraph()->block();
    if (is_always && use.user->kind() == c10::prim::ListUnpack) return use.user->outputs().size();
  }
  return std::nullopt;
}

}  // namespace

ListLengths::ListLengths(jit::Function& forward, const ModelConfig& config) : config_(config) {
  const std::shared_ptr<jit::Graph> code = CodeOf(forward);
  if (code == nullptr) return;
  const std::vector<c10::Argument>& arguments = forward.getSchema().arguments();
  for (std::size_t i = 0; i < std::min(arguments.size(), code->inputs().size()); ++i) {
    if (const auto length = UnpackedLength(*code->inputs()[i])) unpacked_[arguments[i].name()] = *length;
  }
}

std::optional<std::size_t> ListLengths::Of(const std::string& name) const {
  std::size_t length = 0;
  for (const ConfiguredTensor& input : config_.inputs) {
    if (const auto index = IndexIn(input.name, name)) length = std::max(length, *index + 1);
  }
  if (length > 0) return length;
  const auto unpacked = unpacked_.find(name);
  return unpacked == unpacked_.end() ? std::nullopt : std::optional(unpacked->second);
}

const jit::Value* ReturnedValue(jit::Function& forward) {
  const std::shared_ptr<jit::Graph> code = CodeOf(forward);
  return code == nullptr || code->outputs().size() != 1 ? nullptr : code->outputs().front();
}

const jit::Value* ElementOf(const jit::Value* tuple, std::size_t index) {
  if (tuple == nullptr || tuple->node()->kind() != c10::prim::TupleConstruct) return nullptr;
  return index < tuple->node()->inputs().size() ? tuple->node()->inputs()[index] : nullptr;
}

std::optional<std::size_t> BuiltLength(const jit::Value* list) {
  if (list == nullptr || list->node()->kind() != c10::prim::ListConstruct) return std::nullopt;
  return list->uses().size() == 1 ? std::optional(list->node()->inputs().size()) : std::nullopt;
}

}  // namespace tensorferry::inference
