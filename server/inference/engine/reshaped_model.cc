#include "inference/engine/reshaped_model.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "inference/engine/tensor_names.h"
#include "inference/tensor/catch_torch.h"

namespace tensorferry::inference {
namespace {

using Shapes = std::map<std::string, std::vector<std::int64_t>>;

class ReshapedModel final : public Model {
 public:
  ReshapedModel(std::shared_ptr<Model> model, const ModelConfig& config)
      : model_(std::move(model)), batched_(config.max_batch_size > 0), info_(model_->info()) {
    info_.inputs = SpecsOf(config.inputs, std::move(info_.inputs));
    info_.outputs = SpecsOf(config.outputs, std::move(info_.outputs));
    for (const ConfiguredTensor& input : config.inputs) {
      if (input.reshape) inputs_[input.name] = *input.reshape;
    }
    for (const ConfiguredTensor& output : config.outputs) {
      if (output.reshape) outputs_[output.name] = output.dims;
    }
  }

  const ModelInfo& info() const override { return info_; }
  at::Device device() const override { return model_->device(); }
  bool may_wait() const override { return model_->may_wait(); }
  std::optional<std::string> unavailable() const override { return model_->unavailable(); }

  absl::StatusOr<std::vector<NamedTensor>> Run(std::vector<NamedTensor> inputs) override {
    TENSORFERRY_RETURN_IF_ERROR(Reshape(inputs, inputs_, Reason::kInputMismatch));
    TENSORFERRY_ASSIGN_OR_RETURN(std::vector<NamedTensor> outputs, model_->Run(std::move(inputs)));
    TENSORFERRY_RETURN_IF_ERROR(Reshape(outputs, outputs_, Reason::kModelFailed));
    return outputs;
  }

 private:
  absl::Status Reshape(std::vector<NamedTensor>& tensors, const Shapes& shapes, Reason otherwise) const {
    return CatchTorch(otherwise, [&] {
      for (auto& [name, tensor, strings] : tensors) {
        const auto wanted = shapes.find(name);
        if (wanted == shapes.end() || strings) continue;
        std::vector<std::int64_t> shape = wanted->second;
        if (batched_) shape.insert(shape.begin(), tensor.size(0));
        tensor = tensor.reshape(shape);
      }
      return absl::OkStatus();
    });
  }

  std::vector<TensorSpec> SpecsOf(const std::vector<ConfiguredTensor>& configured,
                                  std::vector<TensorSpec> specs) const {
    for (std::size_t i = 0; i < configured.size(); ++i) {
      if (configured[i].reshape) specs[i].shape = SpecOf(configured[i], batched_).shape;
    }
    return specs;
  }

  const std::shared_ptr<Model> model_;
  const bool batched_;
  ModelInfo info_;
  Shapes inputs_, outputs_;
};

}  // namespace

ModelConfig AsTheModelSeesIt(ModelConfig config) {
  for (std::vector<ConfiguredTensor>* const tensors : {&config.inputs, &config.outputs}) {
    for (ConfiguredTensor& tensor : *tensors) tensor.dims = tensor.reshape.value_or(tensor.dims);
  }
  return config;
}

std::shared_ptr<Model> WithReshapes(std::shared_ptr<Model> model, const ModelConfig& config) {
  const auto reshapes = [](const ConfiguredTensor& tensor) { return tensor.reshape.has_value(); };
  if (std::ranges::none_of(config.inputs, reshapes) && std::ranges::none_of(config.outputs, reshapes)) return model;
  return std::make_shared<ReshapedModel>(std::move(model), config);
}

}  // namespace tensorferry::inference
