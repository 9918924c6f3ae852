#include "inference/engine/reshaped_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/status.h"
#include "inference/engine/tensor_names.h"
#include "inference/tensor/catch_torch.h"
#include "payload/shape.h"

namespace tensorferry::inference {
namespace {

constexpr std::int64_t kAnySize = -1;

// Reshape is a change of shape, without the batch.
struct Reshape {
  std::vector<std::int64_t> from, to;
};

std::ptrdiff_t AnySizes(const std::vector<std::int64_t>& dims) { return std::ranges::count(dims, kAnySize); }

// Returns the numbers of elements before, between and after the dimensions of any size; nothing if one is too large.
std::optional<std::vector<std::int64_t>> FixedParts(const std::vector<std::int64_t>& dims) {
  std::vector<std::int64_t> parts{1};
  for (const std::int64_t dim : dims) {
    if (dim == kAnySize) {
      parts.push_back(1);
    } else if (__builtin_mul_overflow(parts.back(), dim, &parts.back())) {
      return std::nullopt;
    }
  }
  return parts;
}

std::optional<std::int64_t> FixedElements(const std::vector<std::int64_t>& dims) {
  std::vector<std::int64_t> fixed;
  std::ranges::copy_if(dims, std::back_inserter(fixed), [](std::int64_t dim) { return dim != kAnySize; });
  const auto parts = FixedParts(fixed);
  return parts ? std::optional(parts->front()) : std::nullopt;
}

// Returns whether some tensor of the one shape can take the other.
bool CanFit(const Reshape& reshape) {
  const auto from = FixedElements(reshape.from), to = FixedElements(reshape.to);
  if (!from || !to) return false;
  if (AnySizes(reshape.to) > 1) {
    return AnySizes(reshape.from) == AnySizes(reshape.to) && FixedParts(reshape.from) == FixedParts(reshape.to);
  }
  const auto divides = [](std::int64_t part, std::int64_t whole) { return part == 0 ? whole == 0 : whole % part == 0; };
  if (AnySizes(reshape.from) == 0 && AnySizes(reshape.to) == 0) return *from == *to;
  if (AnySizes(reshape.from) == 0) return divides(*to, *from);
  if (AnySizes(reshape.to) == 0) return divides(*from, *to);
  return true;
}

// Returns the shape that a tensor takes. torch infers one dimension of any size; several are those of the tensor.
std::vector<std::int64_t> ShapeFor(const at::Tensor& tensor, const Reshape& reshape, bool batched) {
  std::vector<std::int64_t> shape = reshape.to;
  const auto batch = static_cast<std::size_t>(batched);
  if (AnySizes(shape) > 1) {
    std::size_t source = 0;
    for (std::int64_t& dim : shape) {
      if (dim != kAnySize) continue;
      while (reshape.from[source] != kAnySize) ++source;
      dim = tensor.size(static_cast<std::int64_t>(batch + source++));
    }
  }
  if (batched) shape.insert(shape.begin(), tensor.size(0));
  return shape;
}

using Reshapes = std::map<std::string, Reshape>;

class ReshapedModel final : public Model {
 public:
  ReshapedModel(std::shared_ptr<Model> model, const ModelConfig& config)
      : model_(std::move(model)), batched_(config.max_batch_size > 0), info_(model_->info()) {
    info_.inputs = SpecsOf(config.inputs, std::move(info_.inputs));
    info_.outputs = SpecsOf(config.outputs, std::move(info_.outputs));
    for (const ConfiguredTensor& input : config.inputs) {
      if (input.reshape) inputs_[input.name] = {.from = input.dims, .to = *input.reshape};
    }
    for (const ConfiguredTensor& output : config.outputs) {
      if (output.reshape) outputs_[output.name] = {.from = *output.reshape, .to = output.dims};
    }
  }

  const ModelInfo& info() const override { return info_; }
  at::Device device() const override { return model_->device(); }
  bool may_wait() const override { return model_->may_wait(); }
  std::optional<std::string> unavailable() const override { return model_->unavailable(); }

  absl::StatusOr<std::vector<NamedTensor>> Run(std::vector<NamedTensor> inputs) override {
    TENSORFERRY_RETURN_IF_ERROR(Apply(inputs_, inputs, Reason::kInputMismatch));
    TENSORFERRY_ASSIGN_OR_RETURN(std::vector<NamedTensor> outputs, model_->Run(std::move(inputs)));
    TENSORFERRY_RETURN_IF_ERROR(Apply(outputs_, outputs, Reason::kModelFailed));
    return outputs;
  }

 private:
  absl::Status Apply(const Reshapes& reshapes, std::vector<NamedTensor>& tensors, Reason otherwise) const {
    return CatchTorch(otherwise, [&] {
      for (auto& [name, tensor, strings] : tensors) {
        const auto wanted = reshapes.find(name);
        if (wanted == reshapes.end() || strings) continue;
        tensor = tensor.reshape(ShapeFor(tensor, wanted->second, batched_));
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
  Reshapes inputs_, outputs_;
};

}  // namespace

absl::Status CheckReshapes(const ModelConfig& config) {
  const auto check = [](const char* kind, const ConfiguredTensor& tensor, const Reshape& reshape) {
    if (CanFit(reshape)) return absl::OkStatus();
    return MakeError(Reason::kModelNotReady,
                     fmt::format("config.pbtxt: {} {}: dims {} and reshape {} do not have the same number of elements",
                                 kind, Quote(tensor.name), ToText(tensor.dims), ToText(*tensor.reshape)));
  };
  for (const ConfiguredTensor& input : config.inputs) {
    if (!input.reshape) continue;
    TENSORFERRY_RETURN_IF_ERROR(check("input", input, {.from = input.dims, .to = *input.reshape}));
  }
  for (const ConfiguredTensor& output : config.outputs) {
    if (!output.reshape) continue;
    TENSORFERRY_RETURN_IF_ERROR(check("output", output, {.from = *output.reshape, .to = output.dims}));
  }
  return absl::OkStatus();
}

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
