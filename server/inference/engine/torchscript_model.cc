#include "inference/engine/torchscript_model.h"

#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <utility>

#include "base/status.h"
#include "inference/engine/model_parameters.h"
#include "inference/engine/torchscript_signature.h"
#include "inference/tensor/catch_torch.h"

namespace tensorferry::inference {
namespace {

class TorchScriptModel final : public Model {
 public:
  TorchScriptModel(ModelInfo info, torch::jit::Method forward, TorchScriptSignature signature, at::Device device,
                   const ModelParameters& parameters)
      : info_(std::move(info)),
        forward_(std::move(forward)),
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

 private:
  const ModelInfo info_;
  torch::jit::Method forward_;  // Holds the module.
  const TorchScriptSignature signature_;
  const at::Device device_;
  const bool optimized_;
  const bool inference_mode_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<Model>> LoadTorchScript(const ModelFile& file, const ModelConfig& config,
                                                       const EngineOptions& options) {
  TENSORFERRY_ASSIGN_OR_RETURN(const ModelParameters parameters, ReadParameters(config));
  TENSORFERRY_ASSIGN_OR_RETURN(std::string sha256, file.Sha256());
  TENSORFERRY_ASSIGN_OR_RETURN(torch::jit::Method forward, CatchTorch(Reason::kModelNotReady, [&] {
                                 torch::jit::Module module = torch::jit::load(file.path(), options.device);
                                 module.eval();
                                 if (parameters.freeze) module = torch::jit::freeze(module);
                                 return module.get_method("forward");
                               }));
  TENSORFERRY_ASSIGN_OR_RETURN(TorchScriptSignature signature,
                               TorchScriptSignature::Make(forward.function().getSchema(), config));
  ModelInfo info{.name = options.name,
                 .version = options.version,
                 .state = ModelState::kReady,
                 .platform = "torchscript",
                 .inputs = signature.inputs(),
                 .outputs = signature.outputs(),
                 .sha256 = std::move(sha256),
                 .max_batch_size = config.max_batch_size};
  return std::make_shared<TorchScriptModel>(std::move(info), std::move(forward), std::move(signature), options.device,
                                            parameters);
}

}  // namespace tensorferry::inference
