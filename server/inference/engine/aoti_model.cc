#include "inference/engine/aoti_model.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>
#include <caffe2/serialize/inline_container.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/csrc/inductor/aoti_runner/model_container_runner.h>
#include <torch/version.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <utility>

#include "base/status.h"
#include "base/thread_annotations.h"
#include "inference/engine/aoti_bounds.h"
#include "inference/engine/aoti_call.h"
#include "inference/engine/aoti_package.h"
#include "inference/engine/aoti_run.h"
#include "inference/engine/aoti_strides.h"
#include "inference/engine/aoti_writes.h"
#include "inference/engine/archive_check.h"
#include "inference/engine/dim_relations.h"
#include "inference/engine/model_parameters.h"
#include "inference/engine/package_library.h"
#include "inference/engine/temporary_folder.h"
#include "inference/engine/unpacked_package.h"
#include "inference/tensor/catch_torch.h"
#include "payload/shape.h"

namespace tensorferry::inference {
namespace {

using torch::inductor::AOTIModelContainerRunner;
using torch::inductor::AOTIModelPackageLoader;

constexpr char kModelInPackage[] = "model";
constexpr char kCheckVariable[] = "AOTI_RUNTIME_CHECK_INPUTS";

// AotiInputs say how the inputs of the model become the inputs of the package.
struct AotiInputs {
  struct Place {
    std::size_t input;
    std::size_t dim;
  };
  std::vector<std::size_t> places;  // For each input of the model, its index among the package's.
  std::vector<InputBounds> bounds;  // For each input of the package.
  // Pairs of dimensions of the package's inputs that must have the same size.
  std::vector<std::pair<Place, Place>> of_equal;
  std::int64_t least_rows = 1;  // The smallest batch that the package runs.
  DimRelations relations;
  AotiStrides strides;
};

std::vector<std::pair<AotiInputs::Place, AotiInputs::Place>> EqualDims(const std::vector<InputBounds>& bounds) {
  std::vector<std::pair<AotiInputs::Place, AotiInputs::Place>> equal;
  std::map<std::string, AotiInputs::Place> first;
  for (std::size_t input = 0; input < bounds.size(); ++input) {
    for (std::size_t dim = 0; dim < bounds[input].dims.size(); ++dim) {
      const std::string& symbol = bounds[input].dims[dim].symbol;
      if (symbol.empty()) continue;
      const auto [other, is_first] = first.try_emplace(symbol, AotiInputs::Place{input, dim});
      if (!is_first) equal.push_back({other->second, {input, dim}});
    }
  }
  return equal;
}

using Runner = std::unique_ptr<AOTIModelContainerRunner>;

// OpenedPackage is a package whose library is loaded.
class OpenedPackage {
 public:
  // Opens the library of the package.
  static absl::StatusOr<OpenedPackage> Open(const ModelFile& file, at::Device device) {
    TENSORFERRY_ASSIGN_OR_RETURN(UnpackedPackage files, UnpackedPackage::Unpack(file));
    TENSORFERRY_RETURN_IF_ERROR(OpenForGood(files.library()));
    return OpenedPackage(std::make_shared<const UnpackedPackage>(std::move(files)), device);
  }

  // Makes a container of models that has weights of its own, for this many runs at once. Errors: MODEL_NOT_READY.
  absl::StatusOr<Runner> MakeRunner(int runs_at_once) const {
    return CatchTorch(Reason::kModelNotReady, [&]() -> absl::StatusOr<Runner> {
      const auto& runners = torch::inductor::getAOTIModelRunnerRegistry();
      const auto make = runners.find(device_.is_cuda() ? "cuda" : "cpu");
      if (make == runners.end()) return MakeError(Reason::kModelNotReady, "torch runs no packages on this device");
      Runner runner = make->second(files_->library(), static_cast<std::size_t>(runs_at_once), device_.str(),
                                   files_->folder(), /*run_single_threaded=*/false);
      if (!files_->weights().empty()) runner->update_constant_buffer_from_blob(files_->weights());
      return runner;
    });
  }

 private:
  OpenedPackage(std::shared_ptr<const UnpackedPackage> files, at::Device device)
      : files_(std::move(files)), device_(device) {}

  std::shared_ptr<const UnpackedPackage> files_;  // Code for GPUs is read from them when it first runs.
  at::Device device_;
};

class AotiModel final : public Model {
 public:
  // What callers see of a package, and where it is in the package's call.
  struct Interface {
    ModelInfo info;
    AotiInputs inputs;
    std::vector<std::size_t> output_places;  // For each output in info, its index among the package's.
  };

  AotiModel(Interface interface, OpenedPackage package, Runner runner, at::Device device)
      : info_(std::move(interface.info)),
        inputs_(std::move(interface.inputs)),
        output_places_(std::move(interface.output_places)),
        device_(device),
        package_(std::move(package)),
        runner_(std::move(runner)) {}

  // Runs with another container from now on. No run may be going on.
  void Use(Runner runner) { runner_ = std::move(runner); }

  const ModelInfo& info() const override { return info_; }
  at::Device device() const override { return device_; }

  absl::StatusOr<std::vector<NamedTensor>> Run(std::vector<NamedTensor> inputs) override {
    TENSORFERRY_ASSIGN_OR_RETURN(std::vector<at::Tensor> arguments, Arguments(std::move(inputs)));
    TENSORFERRY_ASSIGN_OR_RETURN(std::vector<at::Tensor> outputs,
                                 CatchTorch(Reason::kModelFailed, [&] { return RunPadded(std::move(arguments)); }));
    return Named(std::move(outputs));
  }

 private:
  bool batched() const { return info_.max_batch_size > 0; }

  absl::StatusOr<std::vector<at::Tensor>> Arguments(std::vector<NamedTensor> inputs) const {
    std::vector<at::Tensor> arguments(info_.inputs.size());
    for (std::size_t i = 0; i < info_.inputs.size(); ++i) {
      const std::string& name = info_.inputs[i].name;
      const auto input = std::ranges::find(inputs, name, &NamedTensor::name);
      if (input == inputs.end()) {
        return MakeError(Reason::kInputMismatch, fmt::format("the model's input {} is missing", Quote(name)),
                         {.field = "arrays", .expected = name});
      }
      TENSORFERRY_RETURN_IF_ERROR(CheckBounds(name, inputs_.bounds[inputs_.places[i]], input->tensor.sizes(),
                                              /*first_dim=*/batched() ? 1 : 0));
      arguments[inputs_.places[i]] = input->tensor;
    }
    TENSORFERRY_RETURN_IF_ERROR(CheckEqualDims(arguments));
    TENSORFERRY_RETURN_IF_ERROR(inputs_.relations.Check(arguments, batched() ? inputs_.least_rows : 0));
    return arguments;
  }

  absl::Status CheckEqualDims(const std::vector<at::Tensor>& arguments) const {
    for (const auto& [one, other] : inputs_.of_equal) {
      const std::int64_t wanted = arguments[one.input].sizes()[one.dim];
      const std::int64_t size = arguments[other.input].sizes()[other.dim];
      if (size == wanted) continue;
      return MakeError(Reason::kInputMismatch,
                       fmt::format("{} {} has {} in dimension {}, {} {} has {} in dimension {}; the package was "
                                   "compiled for as many in both",
                                   Term("array"), Quote(NameOf(other.input)), size, other.dim, Term("array"),
                                   Quote(NameOf(one.input)), wanted, one.dim),
                       {.field = "arrays",
                        .expected = fmt::format("{}, as many as array {} has", wanted, Quote(NameOf(one.input))),
                        .actual = fmt::to_string(size)});
    }
    return absl::OkStatus();
  }

  const std::string& NameOf(std::size_t place) const {
    return info_.inputs[static_cast<std::size_t>(std::ranges::find(inputs_.places, place) - inputs_.places.begin())]
        .name;
  }

  // Runs the package. A package whose author did nothing about it is compiled for two rows or more, so a smaller batch
  // is filled up with rows of zeros.
  absl::StatusOr<std::vector<at::Tensor>> RunPadded(std::vector<at::Tensor> arguments) {
    const std::int64_t rows = batched() ? arguments.front().size(0) : inputs_.least_rows;
    const std::int64_t missing = inputs_.least_rows - rows;
    if (missing <= 0) return RunLaidOut(std::move(arguments));
    for (at::Tensor& argument : arguments) {
      std::vector<std::int64_t> shape = argument.sizes().vec();
      shape.front() = missing;
      argument = at::cat({argument, at::zeros(shape, argument.options())});
    }
    TENSORFERRY_ASSIGN_OR_RETURN(std::vector<at::Tensor> outputs, RunLaidOut(std::move(arguments)));
    for (at::Tensor& output : outputs) {
      if (output.defined() && output.dim() > 0 && output.size(0) == inputs_.least_rows)
        output = output.narrow(0, 0, rows);
    }
    return outputs;
  }

  absl::StatusOr<std::vector<at::Tensor>> RunLaidOut(std::vector<at::Tensor> arguments) {
    inputs_.strides.Apply(arguments);
    return RunPackage(*runner_, std::move(arguments));
  }

  absl::StatusOr<std::vector<NamedTensor>> Named(std::vector<at::Tensor> outputs) const {
    std::vector<NamedTensor> named;
    for (std::size_t i = 0; i < info_.outputs.size(); ++i) {
      if (output_places_[i] >= outputs.size()) {
        return MakeError(Reason::kModelFailed,
                         fmt::format("the package gave {} outputs, expected {}", outputs.size(), info_.outputs.size()));
      }
      const at::Tensor& output = outputs[output_places_[i]];
      if (!output.defined()) {
        return MakeError(Reason::kModelFailed,
                         fmt::format("output {} is None, and no tensor", Quote(info_.outputs[i].name)));
      }
      named.push_back({info_.outputs[i].name, output});
    }
    return named;
  }

  const ModelInfo info_;
  const AotiInputs inputs_;
  const std::vector<std::size_t> output_places_;
  const at::Device device_;
  const OpenedPackage package_;  // Outlives runner_.
  Runner runner_;
};

// Makes one engine for all executors if the package leaves its weights and buffers as they are. Otherwise each executor
// gets an engine with a container of its own.
absl::StatusOr<Engines> EnginesOf(const AotiModel::Interface& interface, const OpenedPackage& package, bool writes,
                                  const EngineOptions& options) {
  const auto count = static_cast<std::size_t>(options.runs_at_once);
  if (writes) {
    spdlog::info("model {}: its runs change the package's buffers, of which {} executors have one set each",
                 options.name, count);
  }
  std::vector<std::shared_ptr<AotiModel>> own;
  for (std::size_t i = 0; i < (writes ? count : 1); ++i) {
    TENSORFERRY_ASSIGN_OR_RETURN(Runner runner, package.MakeRunner(writes ? 1 : options.runs_at_once));
    own.push_back(std::make_shared<AotiModel>(interface, package, std::move(runner), options.device));
  }
  Engines engines;
  for (std::size_t i = 0; i < count; ++i) engines.models.push_back(own[i % own.size()]);
  if (!writes) return engines;
  engines.forget_runs = [package, own = std::move(own)] {
    for (const auto& engine : own) {
      TENSORFERRY_ASSIGN_OR_RETURN(Runner runner, package.MakeRunner(1));
      engine->Use(std::move(runner));
    }
    return absl::OkStatus();
  };
  return engines;
}

std::map<std::string, std::string> Sorted(const std::unordered_map<std::string, std::string>& metadata) {
  return {metadata.begin(), metadata.end()};
}

// Reads those members of the package that are needed before its library is loaded.
absl::StatusOr<PackageWeights> ReadMembers(const ModelFile& file) {
  constexpr std::string_view kFolder = "data/aotinductor/model/";
  return CatchTorch(Reason::kModelNotReady, [&] {
    PackageWeights read;
    caffe2::serialize::PyTorchStreamReader archive(file.path());
    const auto text = [&](const std::string& name) {
      const auto [data, size] = archive.getRecord(name);
      return std::string(static_cast<const char*>(data.get()), size);
    };
    for (const std::string& name : archive.getAllRecords()) {
      if (!name.starts_with(kFolder)) continue;
      if (name.ends_with("/weights_config.json")) read.beside = text(name);
      if (name.ends_with(".wrapper.cpp") && read.source.empty()) read.source = text(name);
      if (name.ends_with(".blob")) read.has_blob = true;
    }
    return read;
  });
}

// Finds out what the package was compiled for: from its source, or else from its metadata or the configuration.
absl::StatusOr<AotiInputs> MakeInputs(const std::string& source, const PackageSide& side, bool batched) {
  AotiInputs inputs{.places = side.places, .bounds = std::vector<InputBounds>(side.specs.size())};
  const auto read = ReadInputBounds(source, side.specs.size());
  for (std::size_t i = 0; i < side.specs.size(); ++i) {
    const TensorSpec& spec = side.specs[i];
    InputBounds& bounds = inputs.bounds[side.places[i]];
    if (read) bounds = (*read)[side.places[i]];
    if (!read && spec.dtype.empty()) {
      return MakeError(Reason::kModelNotReady,
                       fmt::format("neither the package nor a config.pbtxt says which dtype and dims input {} has",
                                   Quote(spec.name)));
    }
    if (!read) {
      for (const std::int64_t dim : spec.shape) {
        bounds.dims.push_back(dim == -1 ? InputBounds::Dim{} : InputBounds::Dim{.min = dim, .max = dim});
      }
    }
    if (batched && !bounds.dims.empty()) inputs.least_rows = std::max(inputs.least_rows, bounds.dims.front().min);
  }
  inputs.of_equal = EqualDims(inputs.bounds);
  std::vector<std::string> names(side.specs.size());
  for (std::size_t i = 0; i < names.size(); ++i) names[side.places[i]] = side.specs[i].name;
  inputs.relations = DimRelations::Read(source, inputs.bounds, names);
  inputs.strides = AotiStrides(inputs.bounds);
  return inputs;
}

// Checks that the configuration fits the package's own bounds. Where neither it nor the metadata say what an input is,
// callers see the bounds.
absl::Status ApplyAllBounds(const AotiInputs& inputs, std::int64_t max_batch_size, PackageSide& side) {
  for (std::size_t i = 0; i < side.specs.size(); ++i) {
    TENSORFERRY_RETURN_IF_ERROR(ApplyBounds(inputs.bounds[side.places[i]], max_batch_size, side.specs[i]));
  }
  return absl::OkStatus();
}

// Returns the package's call spec: that of its inputs, then that of its outputs.
absl::StatusOr<std::vector<std::string>> CallSpecOf(const OpenedPackage& package) {
  TENSORFERRY_ASSIGN_OR_RETURN(const Runner runner, package.MakeRunner(1));
  TENSORFERRY_ASSIGN_OR_RETURN(std::vector<std::string> spec,
                               CatchTorch(Reason::kModelNotReady, [&] { return runner->get_call_spec(); }));
  if (spec.size() != 2) return MakeError(Reason::kModelNotReady, "the package has no call spec");
  return spec;
}

// Reads the package's metadata, and checks that it was compiled for a machine like this one.
absl::StatusOr<PackageSignature> ReadMetadata(const ModelFile& file, const EngineOptions& options) {
  TENSORFERRY_ASSIGN_OR_RETURN(
      const auto metadata, CatchTorch(Reason::kModelNotReady, [&] {
        // torch 2.13 parses the metadata of all packages into one static object.
        static Mutex mutex;
        const MutexLock lock(mutex);
        return Sorted(AOTIModelPackageLoader::load_metadata_from_package(file.path(), kModelInPackage));
      }));
  TENSORFERRY_RETURN_IF_ERROR(CheckTarget(metadata, options.device.is_cuda()));
  const auto text = metadata.find(kPackageKey);
  TENSORFERRY_ASSIGN_OR_RETURN(PackageSignature exported,
                               ReadPackageSignature(text == metadata.end() ? "" : text->second));
  TENSORFERRY_RETURN_IF_ERROR(CheckProcessor(exported.processor));
  if (IsOtherTorch(exported.torch)) {
    spdlog::warn("model {}: the package was compiled by torch {}, and runs with {}: export it anew if it fails",
                 options.name, exported.torch, TORCH_VERSION);
  }
  return exported;
}

}  // namespace

void CheckPackageInputs() { setenv(kCheckVariable, "1", /*overwrite=*/0); }

absl::StatusOr<Engines> LoadAotiPackage(const ModelFile& file, const ModelConfig& config,
                                        const EngineOptions& options) {
  for (const std::string& parameter : ParametersOfTorchScript(config)) {
    spdlog::warn("model {}: config.pbtxt: parameter {} means nothing to a compiled package", options.name, parameter);
  }
  TENSORFERRY_RETURN_IF_ERROR(CheckTemporaryFolder(UnpackedSizes(file), TemporaryUse::kExecute));
  TENSORFERRY_ASSIGN_OR_RETURN(const PackageSignature exported, ReadMetadata(file, options));
  TENSORFERRY_ASSIGN_OR_RETURN(const PackageWeights members, ReadMembers(file));
  TENSORFERRY_RETURN_IF_ERROR(CheckWeights(members));
  TENSORFERRY_ASSIGN_OR_RETURN(const OpenedPackage package, OpenedPackage::Open(file, options.device));
  TENSORFERRY_ASSIGN_OR_RETURN(const std::vector<std::string> spec, CallSpecOf(package));
  TENSORFERRY_ASSIGN_OR_RETURN(const PackageCall in, InputsOf(spec[0], members.source, config));
  TENSORFERRY_ASSIGN_OR_RETURN(const PackageCall out, OutputsOf(spec[1], members.source));
  const bool batched = config.max_batch_size > 0;
  TENSORFERRY_ASSIGN_OR_RETURN(PackageSide inputs, MakeSide(in, config.inputs, batched, exported.inputs));
  TENSORFERRY_ASSIGN_OR_RETURN(AotiInputs aoti_inputs, MakeInputs(members.source, inputs, batched));
  if (const std::string& unchecked = aoti_inputs.relations.unchecked(); !unchecked.empty()) {
    spdlog::warn(
        "model {}: the package does not say whether {} must fit each other, and nobody checks it: a program "
        "with such a condition must be exported with prefer_deferred_runtime_asserts_over_guards=True",
        options.name, unchecked);
  }
  TENSORFERRY_RETURN_IF_ERROR(ApplyAllBounds(aoti_inputs, config.max_batch_size, inputs));
  TENSORFERRY_ASSIGN_OR_RETURN(PackageSide outputs, MakeSide(out, config.outputs, batched, exported.outputs));
  for (std::size_t& place : outputs.places) place = out.tensors[place];
  for (const std::string& warning : {in.warning, inputs.warning, outputs.warning}) {
    if (!warning.empty()) spdlog::warn("model {}: {}", options.name, warning);
  }
  TENSORFERRY_ASSIGN_OR_RETURN(std::string sha256, file.Sha256());
  ModelInfo info{.name = options.name,
                 .version = options.version,
                 .state = ModelState::kReady,
                 .platform = "aotinductor",
                 .inputs = std::move(inputs.specs),
                 .outputs = std::move(outputs.specs),
                 .sha256 = std::move(sha256),
                 .max_batch_size = config.max_batch_size};
  return EnginesOf({std::move(info), std::move(aoti_inputs), std::move(outputs.places)}, package,
                   WritesToConstants(members.source), options);
}

}  // namespace tensorferry::inference
