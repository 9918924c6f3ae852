#include "inference/repository/model_loader.h"

#include <ATen/Context.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <sstream>
#include <utility>
#include <vector>

#include "base/file_name.h"
#include "base/status.h"
#include "inference/engine/engine.h"
#include "inference/engine/model_file.h"
#include "inference/engine/model_parameters.h"
#include "inference/engine/reshaped_model.h"
#include "inference/isolation/isolated_model.h"
#include "inference/repository/model_source.h"
#include "inference/repository/warm_up.h"
#include "inference/tensor/catch_torch.h"
#include "inference/tensor/operator_threads.h"

namespace tensorferry::inference {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxExecutors = 1024;

absl::StatusOr<at::Device> DeviceOf(const std::string& device) {
  return CatchTorch(Reason::kModelNotReady, [&]() -> absl::StatusOr<at::Device> {
    at::Device parsed(device);
    if (parsed.is_cuda() && !parsed.has_index()) parsed.set_index(0);
    if (parsed.is_cpu()) return parsed;
    if (!at::hasCUDA()) {
      return MakeError(Reason::kModelNotReady,
                       fmt::format("device {}: this libtorch has no CUDA, or no GPU is here", device));
    }
    const auto count = at::detail::getCUDAHooks().deviceCount();
    if (parsed.index() >= count) {
      return MakeError(Reason::kModelNotReady,
                       fmt::format("device {}: there are {} GPUs", device, static_cast<int>(count)));
    }
    return parsed;
  });
}

// Placement says on which device a model runs, and on how many executors there.
struct Placement {
  std::string device;
  int executors;
};

std::vector<Placement> PlacementsOf(const ModelConfig& config, const LoaderOptions& options) {
  std::vector<Placement> placements;
  const auto add = [&](const std::string& device, int count) {
    const int by_default = device == "cpu" ? options.model_threads : 1;
    placements.push_back({device, std::clamp(count > 0 ? count : by_default, 1, kMaxExecutors)});
  };
  for (const InstanceGroup& group : config.instances) {
    switch (group.kind) {
      case InstanceGroup::Kind::kCpu: add("cpu", group.count); break;
      case InstanceGroup::Kind::kAuto:
      case InstanceGroup::Kind::kModel: add(options.device, group.count); break;
      case InstanceGroup::Kind::kGpu:
        for (const int gpu : group.gpus) add(fmt::format("cuda:{}", gpu), group.count);
        if (group.gpus.empty()) add(options.device == "cpu" ? "cuda" : options.device, group.count);
        break;
    }
  }
  if (placements.empty()) add(options.device, 0);
  return placements;
}

// AllEngines are the engines of all placements.
struct AllEngines {
  std::vector<std::shared_ptr<Model>> models;
  std::vector<std::function<absl::Status()>> forget_runs;
};

// Returns the options for one model: its own parameters come before the server's settings.
LoaderOptions OptionsFor(const ModelParameters& parameters, LoaderOptions options) {
  if (parameters.intra_op_threads > 0) options.intra_op_threads = parameters.intra_op_threads;
  options.isolation = parameters.isolation.value_or(options.isolation);
  // A process costs memory, so there are several only where instance_group asks for them.
  if (options.isolation == Isolation::kProcess) options.model_threads = 1;
  return options;
}

absl::StatusOr<AllEngines> LoadAll(const VersionToLoad& source, const ModelConfig& config,
                                   const LoaderOptions& options) {
  const IsolationOptions isolation{
      .command = options.worker_command, .intra_op_threads = options.intra_op_threads, .on_change = source.on_change};
  TENSORFERRY_ASSIGN_OR_RETURN(const ModelFile file, ModelFile::Open(source.file, source.root));
  const ModelConfig inner = AsTheModelSeesIt(config);
  AllEngines all;
  for (const Placement& placement : PlacementsOf(config, options)) {
    TENSORFERRY_ASSIGN_OR_RETURN(const at::Device device, DeviceOf(placement.device));
    const EngineOptions engine{.name = source.name,
                               .version = fmt::to_string(source.version),
                               .device = device,
                               .runs_at_once = placement.executors};
    TENSORFERRY_ASSIGN_OR_RETURN(Engines engines, options.isolation == Isolation::kProcess
                                                      ? LoadIsolated(file, inner, engine, isolation)
                                                      : LoadEngines(file, inner, engine));
    for (std::shared_ptr<Model>& model : engines.models) all.models.push_back(WithReshapes(std::move(model), config));
    all.forget_runs.push_back(std::move(engines.forget_runs));
  }
  return all;
}

constexpr std::size_t kMaxLabelsBytes = 16 << 20;

// Reads a file that has one label in each line.
absl::StatusOr<std::vector<std::string>> ReadLabels(const VersionToLoad& source, const std::string& name) {
  const auto fail = [&](const Failure& failure) {
    return MakeError(Reason::kModelNotReady,
                     fmt::format("config.pbtxt: label_filename {}: {}", Quote(name), failure.message),
                     {.log_text = failure.log_text});
  };
  if (source.folder.empty()) return fail({.message = "a model that is one file has no folder for it"});
  if (!IsPlainFileName(name)) return fail({.message = "it is no name of a file in the model's folder"});
  const auto file = ModelFile::Open(source.folder / name, source.root);
  const auto text = file.ok() ? file->Read(kMaxLabelsBytes) : file.status();
  if (!text.ok()) return fail(DescribeError(text.status()));
  std::vector<std::string> labels;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) labels.push_back(std::move(line));
  return labels;
}

absl::Status AddLabels(const VersionToLoad& source, const ModelConfig& config, ModelInfo& info) {
  for (const ConfiguredTensor& output : config.outputs) {
    const auto spec = std::ranges::find(info.outputs, output.name, &TensorSpec::name);
    if (output.label_filename.empty() || spec == info.outputs.end()) continue;
    TENSORFERRY_ASSIGN_OR_RETURN(spec->labels, ReadLabels(source, output.label_filename));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckDevice(const std::string& device) { return DeviceOf(device).status(); }

absl::StatusOr<std::unique_ptr<ServedModel>> LoadVersion(const VersionToLoad& source, const ModelConfig& config,
                                                         const LoaderOptions& defaults, BufferPool& pool) {
  TENSORFERRY_ASSIGN_OR_RETURN(const ModelParameters parameters, ReadParameters(config));
  TENSORFERRY_RETURN_IF_ERROR(CheckReshapes(config));
  const LoaderOptions options = OptionsFor(parameters, defaults);
  UseOperatorThreads(options.intra_op_threads);
  TENSORFERRY_ASSIGN_OR_RETURN(AllEngines engines, LoadAll(source, config, options));
  const bool batched = config.max_batch_size > 0;
  ModelInfo info = engines.models.front()->info();
  TENSORFERRY_RETURN_IF_ERROR(AddLabels(source, config, info));
  ServedModel::Options served{.runner = {.batches = batched,
                                         .max_tensor_bytes = options.max_tensor_bytes,
                                         .intra_op_threads = options.intra_op_threads},
                              .config = config};
  auto model = std::make_unique<ServedModel>(std::move(info), std::move(engines.models), served, pool);
  const fs::path samples = source.folder.empty() ? fs::path() : source.folder / "warmup";
  TENSORFERRY_RETURN_IF_ERROR(
      WarmUp(*model, config, {.folder = samples, .root = source.root}, options.intra_op_threads));
  for (const auto& forget_runs : engines.forget_runs) TENSORFERRY_RETURN_IF_ERROR(forget_runs());
  return model;
}

}  // namespace tensorferry::inference
