#include "inference/torchscript_model.h"

#include <c10/core/InferenceMode.h>
#include <fmt/format.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <utility>

#include "base/status.h"
#include "inference/catch_torch.h"
#include "inference/sha256.h"
#include "inference/torchscript_signature.h"

namespace tensorferry::inference {
namespace {

class TorchScriptModel final : public Model {
 public:
  TorchScriptModel(ModelInfo info, torch::jit::Method forward, TorchScriptSignature signature)
      : info_(std::move(info)), forward_(std::move(forward)), signature_(std::move(signature)) {}

  const ModelInfo& info() const override { return info_; }

  absl::StatusOr<std::vector<NamedTensor>> Run(std::vector<NamedTensor> inputs) override {
    TENSORFERRY_ASSIGN_OR_RETURN(std::vector<c10::IValue> arguments, signature_.Arguments(std::move(inputs)));
    return CatchTorch(Reason::kModelFailed, [&] {
      const c10::InferenceMode guard;
      return signature_.Outputs(forward_(std::move(arguments)));
    });
  }

 private:
  const ModelInfo info_;
  torch::jit::Method forward_;  // Holds the module.
  const TorchScriptSignature signature_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Model>> LoadTorchScript(const std::string& name, const std::filesystem::path& file) {
  TENSORFERRY_ASSIGN_OR_RETURN(std::string sha256, Sha256OfFile(file));
  TENSORFERRY_ASSIGN_OR_RETURN(torch::jit::Method forward, CatchTorch(Reason::kModelNotReady, [&] {
                                 torch::jit::Module module = torch::jit::load(file.string(), c10::kCPU);
                                 module.eval();
                                 return module.get_method("forward");
                               }));
  TENSORFERRY_ASSIGN_OR_RETURN(TorchScriptSignature signature,
                               TorchScriptSignature::Make(forward.function().getSchema()));
  ModelInfo info{.name = name,
                 .version = "1",
                 .state = ModelState::kReady,
                 .platform = "torchscript",
                 .inputs = signature.inputs(),
                 .outputs = signature.outputs(),
                 .sha256 = std::move(sha256)};
  return std::make_unique<TorchScriptModel>(std::move(info), std::move(forward), std::move(signature));
}

}  // namespace tensorferry::inference
