#include "inference/engine/exported_model.h"

#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/engine/aoti_call.h"
#include "inference/engine/aoti_package.h"
#include "inference/engine/call_spec.h"
#include "inference/engine/exported_archive.h"
#include "inference/engine/exported_program.h"
#include "inference/engine/model_parameters.h"

namespace tensorferry::inference {
namespace {

class ExportedModel final : public Model {
 public:
  ExportedModel(ModelInfo info, ExportedProgram program, std::vector<std::size_t> inputs,
                std::vector<std::size_t> outputs, at::Device device)
      : info_(std::move(info)),
        program_(std::move(program)),
        inputs_(std::move(inputs)),
        outputs_(std::move(outputs)),
        device_(device) {}

  const ModelInfo& info() const override { return info_; }
  at::Device device() const override { return device_; }

  absl::StatusOr<std::vector<NamedTensor>> Run(std::vector<NamedTensor> inputs) override {
    TENSORFERRY_ASSIGN_OR_RETURN(std::vector<at::Tensor> leaves, Leaves(std::move(inputs)));
    TENSORFERRY_RETURN_IF_ERROR(program_.shapes().Check(leaves, /*first_dim=*/info_.max_batch_size > 0 ? 1 : 0));
    const c10::InferenceMode inference;
    const at::NoGradGuard no_gradients;
    TENSORFERRY_ASSIGN_OR_RETURN(std::vector<at::Tensor> results, program_.Run(std::move(leaves)));
    std::vector<NamedTensor> named;
    named.reserve(outputs_.size());
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      named.push_back({info_.outputs[i].name, std::move(results[outputs_[i]])});
    }
    return named;
  }

 private:
  absl::StatusOr<std::vector<at::Tensor>> Leaves(std::vector<NamedTensor> inputs) const {
    std::vector<at::Tensor> leaves(program_.inputs().size());
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      const std::string& name = info_.inputs[i].name;
      const auto input = std::ranges::find(inputs, name, &NamedTensor::name);
      if (input == inputs.end()) {
        return MakeError(Reason::kInputMismatch, fmt::format("the model's input {} is missing", Quote(name)),
                         {.field = "arrays", .expected = name});
      }
      leaves[inputs_[i]] = std::move(input->tensor);
    }
    return leaves;
  }

  const ModelInfo info_;
  const ExportedProgram program_;
  const std::vector<std::size_t> inputs_;   // For each input in info_, its leaf of the call's arguments.
  const std::vector<std::size_t> outputs_;  // For each output in info_, its leaf of the result.
  const at::Device device_;
};

// Returns the names of `count` leaves: those of the call spec, or where that is of an unknown form their numbers.
std::vector<std::string> NamesOfLeaves(absl::StatusOr<std::vector<std::string>> spec, std::string_view side,
                                       std::size_t count) {
  if (spec.ok() && spec->size() == count) return *std::move(spec);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back(fmt::format("{}[{}]", side, i));
  return names;
}

PackageCall InputsOf(const ExportedProgram& program) {
  PackageCall call{.kind = "input", .leaves = {}, .tensors = {}, .warning = {}};
  call.leaves = NamesOfLeaves(InputLeaves(program.in_spec()), "ARGS", program.inputs().size());
  for (std::size_t leaf = 0; leaf < call.leaves.size(); ++leaf) {
    if (!program.inputs()[leaf].empty()) call.tensors.push_back(leaf);
  }
  return call;
}

PackageCall OutputsOf(const ExportedProgram& program) {
  PackageCall call{.kind = "output", .leaves = {}, .tensors = {}, .warning = {}};
  call.leaves = NamesOfLeaves(OutputLeaves(program.out_spec()), "RESULT", program.outputs().size());
  for (std::size_t leaf = 0; leaf < call.leaves.size(); ++leaf) {
    if (program.outputs()[leaf]) call.tensors.push_back(leaf);
  }
  return call;
}

// Returns what tensorferry.export wrote into the archive. If it wrote nothing, inputs have their exporter's names.
absl::StatusOr<PackageSignature> SignatureOf(ExportedArchive& archive, const ExportedProgram& program) {
  constexpr char kMember[] = "extra/tensorferry.json";
  PackageSignature signature;
  if (archive.Has(kMember)) {
    TENSORFERRY_ASSIGN_OR_RETURN(const std::string json, archive.Text(kMember, 1 << 20));
    TENSORFERRY_ASSIGN_OR_RETURN(signature, ReadPackageSignature(json));
  }
  if (!signature.inputs.empty()) return signature;
  for (const std::string& name : program.inputs()) {
    if (!name.empty()) signature.inputs.push_back({.name = name});
  }
  return signature;
}

// Checks that what callers see of the inputs fits the program, and completes it. Turns places among the tensors of the
// call into leaves.
absl::Status CompleteInputs(const PackageCall& call, const ExportedProgram& program, std::int64_t max_batch_size,
                            PackageSide& side) {
  for (std::size_t i = 0; i < side.specs.size(); ++i) {
    side.places[i] = call.tensors[side.places[i]];
    TENSORFERRY_RETURN_IF_ERROR(ApplyBounds(program.shapes().bounds()[side.places[i]], max_batch_size, side.specs[i]));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<Model>> LoadExported(const ModelFile& file, const ModelConfig& config,
                                                    const EngineOptions& options) {
  for (const std::string& parameter : ParametersOfTorchScript(config)) {
    spdlog::warn("model {}: config.pbtxt: parameter {} means nothing to an exported program", options.name, parameter);
  }
  TENSORFERRY_ASSIGN_OR_RETURN(ExportedArchive archive, ExportedArchive::Open(file));
  TENSORFERRY_ASSIGN_OR_RETURN(ExportedProgram program, ExportedProgram::Load(archive, options.device));
  for (const std::string& condition : program.shapes().unchecked()) {
    spdlog::warn("model {}: the program was exported under a condition that this server does not check: {}",
                 options.name, Quote(condition));
  }
  TENSORFERRY_ASSIGN_OR_RETURN(const PackageSignature signature, SignatureOf(archive, program));
  const PackageCall in = InputsOf(program), out = OutputsOf(program);
  const bool batched = config.max_batch_size > 0;
  TENSORFERRY_ASSIGN_OR_RETURN(PackageSide inputs, MakeSide(in, config.inputs, batched, signature.inputs));
  TENSORFERRY_RETURN_IF_ERROR(CompleteInputs(in, program, config.max_batch_size, inputs));
  TENSORFERRY_ASSIGN_OR_RETURN(PackageSide outputs, MakeSide(out, config.outputs, batched, signature.outputs));
  for (std::size_t& place : outputs.places) place = out.tensors[place];
  for (const std::string& warning : {inputs.warning, outputs.warning}) {
    if (!warning.empty()) spdlog::warn("model {}: {}", options.name, warning);
  }
  TENSORFERRY_ASSIGN_OR_RETURN(std::string sha256, file.Sha256());
  ModelInfo info{.name = options.name,
                 .version = options.version,
                 .state = ModelState::kReady,
                 .platform = "exported",
                 .inputs = std::move(inputs.specs),
                 .outputs = std::move(outputs.specs),
                 .sha256 = std::move(sha256),
                 .max_batch_size = config.max_batch_size};
  return std::make_shared<ExportedModel>(std::move(info), std::move(program), std::move(inputs.places),
                                         std::move(outputs.places), options.device);
}

}  // namespace tensorferry::inference
