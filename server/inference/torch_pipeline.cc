#include "inference/torch_pipeline.h"

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>
#include <torch/version.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "base/status.h"
#include "inference/catch_torch.h"
#include "inference/model_registry.h"
#include "inference/tensor.h"
#include "inference/torchscript_model.h"

namespace tensorferry::inference {
namespace {

using Clock = std::chrono::steady_clock;

std::string NamesOf(const std::vector<TensorSpec>& specs) {
  std::vector<std::string> names;
  for (const TensorSpec& spec : specs) names.push_back(Quote(spec.name));
  return fmt::format("[{}]", fmt::join(names, ", "));
}

absl::Status CheckInputNames(const ModelInfo& model, std::span<const std::string_view> array_names) {
  std::set<std::string_view> seen;
  for (const std::string_view name : array_names) {
    const auto refuse = [&](std::string_view why) {
      return MakeError(Reason::kInputMismatch,
                       fmt::format("array {} {}; model {} takes {}", Quote(name), why, Quote(model.name),
                                   model.inputs.empty() ? "any names" : NamesOf(model.inputs)),
                       {.field = "arrays", .expected = NamesOf(model.inputs), .actual = Quote(name)});
    };
    if (name.empty()) return refuse("has no name");
    if (!seen.insert(name).second) return refuse("comes twice");
    if (!model.inputs.empty() && std::ranges::count(model.inputs, name, &TensorSpec::name) == 0) {
      return refuse("is not an input");
    }
  }
  return absl::OkStatus();
}

absl::Status UnknownOutput(const ModelInfo& model, std::string_view name) {
  return MakeError(Reason::kUnknownOutput, fmt::format("model {} has no output {}", Quote(model.name), Quote(name)),
                   {.field = "requested_outputs", .expected = NamesOf(model.outputs), .actual = Quote(name)});
}

absl::Status CheckOutputNames(const ModelInfo& model, const std::vector<std::string>& requested) {
  if (model.outputs.empty()) return absl::OkStatus();  // Known only after the run.
  for (const std::string& name : requested) {
    if (std::ranges::count(model.outputs, name, &TensorSpec::name) == 0) return UnknownOutput(model, name);
  }
  return absl::OkStatus();
}

// The outputs in the order in which they were asked for.
absl::StatusOr<std::vector<NamedTensor>> Select(const ModelInfo& model, std::vector<NamedTensor> outputs,
                                                const std::vector<std::string>& requested) {
  if (requested.empty()) return outputs;
  std::vector<NamedTensor> selected;
  for (const std::string& name : requested) {
    const auto output = std::ranges::find(outputs, name, &NamedTensor::name);
    if (output == outputs.end()) return UnknownOutput(model, name);
    selected.push_back(*output);
  }
  return selected;
}

Receipt MakeReceipt(const ArrayPayload& payload) {
  return {.source_dtype = payload.header.source_dtype(),
          .numpy_dtype = Info(payload.header.dtype()).name,
          .byte_order_swapped = payload.header.byte_swapped(),
          .bools_normalized = payload.normalized_bools,
          .digest = payload.digest};
}

class TorchPipeline final : public Pipeline {
 public:
  TorchPipeline(ModelRegistry models, const TorchPipelineOptions& options)
      : models_(std::move(models)),
        intra_op_threads_(options.intra_op_threads),
        max_tensor_bytes_(options.max_tensor_bytes) {}

  absl::Status Admit(const PipelineCall& call, std::span<const std::string_view> array_names) const override {
    if (call.model_name.empty()) return absl::OkStatus();
    TENSORFERRY_ASSIGN_OR_RETURN(const auto model, models_.Find(call.model_name, call.model_version));
    TENSORFERRY_RETURN_IF_ERROR(CheckInputNames(model->info(), array_names));
    return CheckOutputNames(model->info(), call.requested_outputs);
  }

  absl::StatusOr<PipelineResponse> Run(const PipelineCall& call, Few<NamedArray> arrays) override {
    return CatchTorch(Reason::kInternal, [&] { return Convert(call, std::move(arrays)); });
  }

  std::vector<ModelInfo> Models() const override { return models_.List(); }

  std::string TorchVersion() const override { return TORCH_VERSION; }

 private:
  absl::StatusOr<PipelineResponse> Convert(const PipelineCall& call, Few<NamedArray> arrays) {
    const c10::InferenceMode guard;
    LimitThreads();
    const Clock::time_point start = Clock::now();
    PipelineResponse response;
    Few<NamedTensor> tensors;
    for (NamedArray& array : arrays) {
      Receipt receipt = MakeReceipt(array.payload);
      tensors.push_back({std::move(array.name), MakeTensor(std::move(array.payload))});
      TENSORFERRY_ASSIGN_OR_RETURN(TensorResult result, ResultOf(tensors.back(), call.return_data));
      receipt.dtype_equal = result.metadata.dtype == receipt.numpy_dtype;
      result.receipt = std::move(receipt);
      response.tensors.push_back(std::move(result));
    }
    response.convert_time = Clock::now() - start;
    if (!call.model_name.empty()) {
      std::vector<NamedTensor> inputs(std::move_iterator(tensors.begin()), std::move_iterator(tensors.end()));
      TENSORFERRY_RETURN_IF_ERROR(RunModel(call, std::move(inputs), response));
    }
    return response;
  }

  absl::Status RunModel(const PipelineCall& call, std::vector<NamedTensor> inputs, PipelineResponse& response) {
    TENSORFERRY_ASSIGN_OR_RETURN(const auto model, models_.Find(call.model_name, call.model_version));
    if (call.return_data) {
      // What goes back is what was sent, even if the model works in place on its inputs.
      for (NamedTensor& input : inputs) input.tensor = input.tensor.clone();
    }
    const Clock::time_point start = Clock::now();
    auto run = model->Run(std::move(inputs));
    response.compute_time = Clock::now() - start;
    if (!run.ok()) return InModel(call.model_name, run.status());
    TENSORFERRY_ASSIGN_OR_RETURN(const std::vector<NamedTensor> outputs,
                                 Select(model->info(), *std::move(run), call.requested_outputs));
    for (const NamedTensor& output : outputs) {
      TENSORFERRY_ASSIGN_OR_RETURN(TensorResult result, ResultOf(output, /*with_elements=*/true));
      response.outputs.push_back(std::move(result));
    }
    response.model_name = model->info().name;
    response.model_version = model->info().version;
    return absl::OkStatus();
  }

  // OpenMP keeps the number of threads per calling thread.
  void LimitThreads() const {
    thread_local int threads_of_this_thread = 0;
    if (std::exchange(threads_of_this_thread, intra_op_threads_) != intra_op_threads_) {
      at::set_num_threads(intra_op_threads_);
    }
  }

  absl::StatusOr<TensorResult> ResultOf(const NamedTensor& named, bool with_elements) const {
    TENSORFERRY_ASSIGN_OR_RETURN(TensorMetadata metadata, Describe(named.name, named.tensor));
    if (static_cast<std::uint64_t>(metadata.nbytes) > max_tensor_bytes_) {
      return MakeError(Reason::kTensorTooLarge,
                       fmt::format("tensor {} has {} bytes, at most {} are sent", Quote(named.name), metadata.nbytes,
                                   max_tensor_bytes_),
                       {.actual = fmt::to_string(metadata.nbytes), .limit = fmt::to_string(max_tensor_bytes_)});
    }
    TensorResult result{.metadata = std::move(metadata)};
    if (with_elements) result.elements = ElementsOf(named.tensor);
    return result;
  }

  const ModelRegistry models_;
  const int intra_op_threads_;
  const std::uint64_t max_tensor_bytes_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Pipeline>> MakeTorchPipeline(const TorchPipelineOptions& options) {
  static const bool once = (at::set_num_interop_threads(1), true);  // Torch takes it once in a process.
  static_cast<void>(once);
  ModelRegistry models;
  for (const ModelFile& file : options.models) {
    auto model = LoadTorchScript(file.name, file.file);
    if (model.ok()) {
      spdlog::info("model {} is ready: {}", file.name, (*model)->info().platform);
      models.Add(*std::move(model));
      continue;
    }
    const Failure failure = DescribeError(model.status());
    spdlog::error("model {} from {} is unavailable: {} {}", file.name, file.file.string(), failure.message,
                  failure.log_text);
    if (options.strict_start) return model.status();
    models.AddUnavailable({.name = file.name,
                           .version = "1",
                           .state = ModelState::kUnavailable,
                           .reason = failure.message,
                           .platform = "torchscript"});
  }
  return std::make_unique<TorchPipeline>(std::move(models), options);
}

}  // namespace tensorferry::inference
