#include "inference/engine/exported_program.h"

#include <ATen/ScalarOps.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/scalar_tensor.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/status.h"
#include "inference/engine/exported_weights.h"
#include "inference/engine/exported_writes.h"
#include "inference/engine/refuse_model.h"
#include "inference/tensor/catch_torch.h"

namespace tensorferry::inference {
namespace {

// Replaces what reads the slot by the constant.
void Replace(std::vector<BlockArgument>& arguments, const std::map<Slot, at::Tensor>& constants) {
  for (BlockArgument& argument : arguments) {
    Replace(argument.items, constants);
    if (argument.from != BlockArgument::From::kSlot && argument.from != BlockArgument::From::kLastUse) continue;
    const auto found = constants.find(argument.slot);
    if (found == constants.end()) continue;
    argument.from = BlockArgument::From::kConstant;
    argument.constant = found->second;
  }
}

// Returns the leaf that an output is.
at::Tensor LeafOf(const c10::IValue& value, at::Device device) {
  if (value.isTensor()) return value.toTensor().requires_grad() ? value.toTensor().detach() : value.toTensor();
  if (value.isBool()) return at::scalar_tensor(value.toBool(), at::TensorOptions(at::kBool).device(device));
  if (value.isInt()) return at::scalar_tensor(value.toInt(), at::TensorOptions(at::kLong).device(device));
  if (value.isDouble()) return at::scalar_tensor(value.toDouble(), at::TensorOptions(at::kDouble).device(device));
  return {};
}

}  // namespace

absl::StatusOr<ExportedProgram> ExportedProgram::Load(ExportedArchive& archive, at::Device device) {
  TENSORFERRY_ASSIGN_OR_RETURN(const std::string json, archive.Text(archive.graph(), kMaxProgramBytes));
  TENSORFERRY_ASSIGN_OR_RETURN(const ExportedFile file, ReadExportedFile(json));
  ExportedProgram program;
  program.device_ = device;
  program.mapping_ = archive.mapping();
  program.in_spec_ = file.in_spec;
  program.out_spec_ = file.out_spec;
  TENSORFERRY_ASSIGN_OR_RETURN(program.block_,
                               CatchTorch(Reason::kModelNotReady, [&] { return ResolveGraph(file.graph, device); }));
  TENSORFERRY_RETURN_IF_ERROR(program.AddInputs(file));
  TENSORFERRY_RETURN_IF_ERROR(program.AddWeights(file, archive));
  program.AddOutputs(file);
  TENSORFERRY_ASSIGN_OR_RETURN(program.shapes_, ExportedShapes::Make(file, program.inputs_));
  return program;
}

absl::Status ExportedProgram::AddInputs(const ExportedFile& file) {
  for (std::size_t i = 0; i < file.inputs.size(); ++i) {
    const ExportedSpec& spec = file.inputs[i];
    const ExportedArgument& input = file.graph.inputs[i];
    const bool is_constant = input.one()->name.empty();
    if (spec.kind == "constant_input" || (spec.kind == "user_input" && is_constant)) {
      inputs_.emplace_back();
    } else if (spec.kind == "user_input") {
      if (input.kind != "as_tensor" && input.kind != "as_sym_int") {
        return RefuseModel(
            fmt::format("input {} is {}, no tensor and no whole number", Quote(spec.name), Quote(input.kind)));
      }
      places_.emplace_back(static_cast<Slot>(i), Place{inputs_.size(), input.kind == "as_sym_int"});
      inputs_.push_back(input.one()->name);
    } else if (spec.target.empty()) {
      return RefuseModel(
          fmt::format("an input of the program is {}, which this server does not know", Quote(spec.kind)));
    }
  }
  return absl::OkStatus();
}

absl::Status ExportedProgram::AddWeights(const ExportedFile& file, ExportedArchive& archive) {
  TENSORFERRY_ASSIGN_OR_RETURN(const auto weights, LoadExportedWeights(archive, device_));
  std::vector<std::pair<Slot, at::Tensor>> used;
  for (std::size_t i = 0; i < file.inputs.size(); ++i) {
    const ExportedSpec& spec = file.inputs[i];
    if (spec.target.empty()) continue;
    const auto weight = weights.find(spec.target);
    if (weight == weights.end()) return RefuseModel(fmt::format("the archive has no weight {}", Quote(spec.target)));
    used.emplace_back(static_cast<Slot>(i), weight->second);
  }
  Bind(used);
  return absl::OkStatus();
}

// Makes weights a part of the block, but for those that share memory with one that the program writes to.
void ExportedProgram::Bind(const std::vector<std::pair<Slot, at::Tensor>>& weights) {
  const std::vector<Slot> written = WrittenInputs(block_);
  std::map<const c10::StorageImpl*, Copied> copied;
  const auto memory_of = [](const at::Tensor& tensor) { return tensor.storage().unsafeGetStorageImpl(); };
  for (const auto& [slot, weight] : weights) {
    if (std::ranges::binary_search(written, slot)) copied[memory_of(weight)];
  }
  std::map<Slot, at::Tensor> constants;
  for (const auto& [slot, weight] : weights) {
    kept_.Add(weight.storage());
    const auto copy = copied.find(memory_of(weight));
    if (copy == copied.end()) {
      constants.emplace(slot, weight);
      continue;
    }
    copy->second.bytes = at::empty({0}, weight.options().dtype(at::kByte)).set_(weight.storage());
    copy->second.weights.emplace_back(slot, weight);
  }
  kept_.Sort();
  for (auto& [memory, copy] : copied) copied_.push_back(std::move(copy));
  for (BlockNode& node : block_.nodes) Replace(node.arguments, constants);
  Replace(block_.outputs, constants);
}

void ExportedProgram::AddOutputs(const ExportedFile& file) {
  std::vector<BlockArgument> outputs;
  for (std::size_t i = 0; i < file.outputs.size(); ++i) {
    if (file.outputs[i].kind != "user_output") continue;  // What becomes of a buffer or an input is forgotten.
    const ExportedValue& value = *file.graph.outputs[i].one();
    outputs_.push_back(!value.name.empty() || (!value.constant.isNone() && !value.constant.isString()));
    outputs.push_back(std::move(block_.outputs[i]));
  }
  block_.outputs = std::move(outputs);
  MarkLastUses(block_);
}

std::vector<c10::IValue> ExportedProgram::GraphInputs(std::vector<at::Tensor> inputs) const {
  std::vector<c10::IValue> values(block_.inputs);
  for (const auto& [slot, place] : places_) {
    at::Tensor& input = inputs[place.leaf];
    values[slot] = place.is_number ? c10::IValue(input.item<std::int64_t>()) : c10::IValue(std::move(input));
  }
  for (const Copied& copied : copied_) {
    const c10::Storage bytes = copied.bytes.clone().storage();
    for (const auto& [slot, weight] : copied.weights) {
      values[slot] =
          at::empty({0}, weight.options()).set_(bytes, weight.storage_offset(), weight.sizes(), weight.strides());
    }
  }
  return values;
}

absl::StatusOr<std::vector<at::Tensor>> ExportedProgram::Run(std::vector<at::Tensor> inputs) const {
  BlockRun run(kept_);
  auto outputs = CatchTorch(Reason::kModelFailed, [&]() -> absl::StatusOr<std::vector<at::Tensor>> {
    try {
      std::vector<at::Tensor> leaves;
      for (const c10::IValue& value : run.Run(block_, GraphInputs(std::move(inputs)))) {
        leaves.push_back(LeafOf(value, device_));
      }
      return leaves;
    } catch (const FailedAssertion& assertion) {
      return shapes_->Refusal(assertion.what());
    }
  });
  if (mapping_->truncated()) {
    return MakeError(Reason::kModelFailed, "the model's file was cut short while it was served: load the model anew");
  }
  const bool is_input = outputs.ok() || DescribeError(outputs.status()).reason == Reason::kInputMismatch;
  if (is_input || run.node() == nullptr) return outputs;
  return WithMessage(fmt::format("{}: {}", run.node()->name, DescribeError(outputs.status()).message),
                     outputs.status());
}

}  // namespace tensorferry::inference
