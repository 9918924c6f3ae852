#include "inference/engine/torchscript_model.h"

#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>
#include <spdlog/spdlog.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <utility>
#include <vector>

#include "base/status.h"
#include "inference/engine/model_parameters.h"
#include "inference/engine/module_mode.h"
#include "inference/engine/module_writes.h"
#include "inference/engine/torchscript_signature.h"
#include "inference/tensor/catch_torch.h"

namespace tensorferry::inference {
namespace {

constexpr char kForward[] = "forward";

class TorchScriptModel final : public Model {
 public:
  TorchScriptModel(ModelInfo info, const torch::jit::Module& module, TorchScriptSignature signature, at::Device device,
                   const ModelParameters& parameters)
      : info_(std::move(info)),
        forward_(module.get_method(kForward)),
        signature_(std::move(signature)),
        device_(device),
        optimized_(parameters.optimized_execution),
        inference_mode_(parameters.inference_mode) {}

  const ModelInfo& info() const override { return info_; }
  at::Device device() const override { return device_; }

  absl::StatusOr<std::vector<NamedTensor>> Run(std::vector<NamedTensor> inputs) override {
    TENSORFERRY_ASSIGN_OR_RETURN(std::vector<c10::IValue> arguments, signature_.Arguments(std::move(inputs)));
    return CatchTorch(Reason::kModelFailed, [&] {
      const c10::InferenceMode inference(inference_mode_);
      const at::NoGradGuard no_gradients;
      const torch::jit::GraphOptimizerEnabledGuard optimizer(optimized_);
      return signature_.Outputs(forward_(std::move(arguments)));
    });
  }

  // Makes later runs use `module`, which has the same code. No run may be going on.
  void Use(const torch::jit::Module& module) { forward_ = module.get_method(kForward); }

 private:
  const ModelInfo info_;
  torch::jit::Method forward_;  // Keeps the module alive.
  const TorchScriptSignature signature_;
  const at::Device device_;
  const bool optimized_;
  const bool inference_mode_;
};

// Makes one engine for all executors, if runs of the module do not change it. Otherwise each executor gets its own
// engine with a copy of the module, unless the configuration makes them share one. All copies use the same code, so
// what torch has learnt in the warm-up stays when a module is replaced by one that was never run.
template <typename MakeEngine>
absl::StatusOr<Engines> EnginesOf(const torch::jit::Module& module, const ModelParameters& parameters,
                                  const EngineOptions& options, MakeEngine make_engine) {
  return CatchTorch(Reason::kModelNotReady, [&] {
    Engines engines;
    const auto writes = CatchTorch(Reason::kInternal,
                                   [&] { return WritesToItself(module.get_method(kForward), IsInTraining(module)); });
    if (writes.ok() && !*writes) {  // If torch cannot analyse the method, it may write.
      engines.models.assign(static_cast<std::size_t>(options.runs_at_once), make_engine(module));
      return engines;
    }
    const int modules = parameters.share_weights ? 1 : options.runs_at_once;
    spdlog::info("model {}: its runs change the module, of which {} executors have {}", options.name,
                 options.runs_at_once, parameters.share_weights ? "one in common" : "one each");
    std::vector<std::shared_ptr<TorchScriptModel>> own;
    for (int i = 0; i < modules; ++i) own.push_back(make_engine(module.deepcopy()));
    for (int i = 0; i < options.runs_at_once; ++i) engines.models.push_back(own[static_cast<std::size_t>(i % modules)]);
    engines.forget_runs = [module, own = std::move(own)] {
      return CatchTorch(Reason::kModelNotReady, [&] {
        for (const auto& engine : own) engine->Use(module.deepcopy());
        return absl::OkStatus();
      });
    };
    return engines;
  });
}

// Loads the module in the mode in which it was saved.
absl::StatusOr<torch::jit::Module> LoadModule(const ModelFile& file, const ModelParameters& parameters,
                                              const EngineOptions& options) {
  return CatchTorch(Reason::kModelNotReady, [&]() -> absl::StatusOr<torch::jit::Module> {
    torch::jit::Module module = torch::jit::load(file.path(), options.device);
    if (IsInTraining(module)) {
      const auto forward = module.find_method(kForward);
      if (!forward || !DependsOnMode(*forward)) {
        module.eval();  // It computes the same, and can be frozen.
      } else if (parameters.freeze) {
        return MakeError(
            Reason::kModelNotReady,
            "config.pbtxt: parameter FREEZE is true, but the file was saved in training mode; torch freezes "
            "modules in evaluation mode alone: call eval() before the module is saved");
      } else {
        spdlog::warn(
            "model {}: its file was saved in training mode, and is served so: dropout, normalisation and the "
            "like act as in training; call eval() before the module is saved if that is not meant",
            options.name);
      }
    }
    return parameters.freeze ? torch::jit::freeze(module) : module;
  });
}

}  // namespace

absl::StatusOr<Engines> LoadTorchScript(const ModelFile& file, const ModelConfig& config,
                                        const EngineOptions& options) {
  TENSORFERRY_ASSIGN_OR_RETURN(const ModelParameters parameters, ReadParameters(config));
  TENSORFERRY_ASSIGN_OR_RETURN(const torch::jit::Module module, LoadModule(file, parameters, options));
  TENSORFERRY_ASSIGN_OR_RETURN(const torch::jit::Method forward,
                               CatchTorch(Reason::kModelNotReady, [&] { return module.get_method(kForward); }));
  TENSORFERRY_ASSIGN_OR_RETURN(const TorchScriptSignature signature,
                               TorchScriptSignature::Make(forward.function(), config));
  for (const std::string& warning : signature.warnings()) {
    spdlog::warn("model {}: config.pbtxt: {}", options.name, warning);
  }
  TENSORFERRY_ASSIGN_OR_RETURN(std::string sha256, file.Sha256());
  const ModelInfo info{.name = options.name,
                       .version = options.version,
                       .state = ModelState::kReady,
                       .platform = "torchscript",
                       .inputs = signature.inputs(),
                       .outputs = signature.outputs(),
                       .sha256 = std::move(sha256),
                       .max_batch_size = config.max_batch_size};
  return EnginesOf(module, parameters, options, [&](const torch::jit::Module& of) {
    return std::make_shared<TorchScriptModel>(info, of, signature, options.device, parameters);
  });
}

}  // namespace tensorferry::inference
