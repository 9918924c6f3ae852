#include "inference/repository/warm_up.h"

#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/status.h"
#include "inference/engine/model_file.h"
#include "inference/repository/random_data.h"
#include "inference/tensor/catch_torch.h"
#include "inference/tensor/operator_threads.h"
#include "inference/tensor/torch_dtype.h"

namespace tensorferry::inference {
namespace {

namespace fs = std::filesystem;

using Sample = std::vector<NamedTensor>;

constexpr std::size_t kMaxSampleBytes = std::size_t{1} << 30;

// Returns how many runs it takes until a model runs as it will for callers. In the first run TorchScript observes the
// model, in the second it compiles code, and from then on it runs that code. Other engines learn nothing from a run.
int RunsToWarmUp(const ModelInfo& model) { return model.platform == "torchscript" ? 3 : 1; }

// Input is one input of a sample: what both are called, for errors, and where their files are.
struct Input {
  const WarmUpSample& sample;
  const std::string& name;
  const fs::path& folder;
  const fs::path& root;
};

absl::Status CannotWarmUp(const Input& input, const std::string& why, const std::string& log_text = "") {
  return MakeError(
      Reason::kModelNotReady,
      fmt::format("config.pbtxt: model_warmup {}, input {}: {}", Quote(input.sample.name), Quote(input.name), why),
      {.log_text = log_text});
}

// Reads the `nbytes` elements of an input from its file.
absl::StatusOr<std::string> ReadElements(const Input& input, const std::string& name, std::size_t nbytes) {
  const std::string what = fmt::format("input_data_file {}", Quote(name));
  if (input.folder.empty()) {
    return CannotWarmUp(input, what + ": a model that is one file has no folder for it");
  }
  const auto file = ModelFile::Open(input.folder / name, input.root);
  auto elements = file.ok() ? file->Read(kMaxSampleBytes) : file.status();
  if (!elements.ok()) {
    const Failure failure = DescribeError(elements.status());
    return CannotWarmUp(input, fmt::format("{}: {}", what, failure.message), failure.log_text);
  }
  if (elements->size() != nbytes) {
    return CannotWarmUp(input, fmt::format("{} has {} bytes, expected {}", what, elements->size(), nbytes));
  }
  return elements;
}

absl::StatusOr<at::Tensor> MakeTensor(const Input& input, const WarmUpInput& described, bool batched) {
  if (!described.dtype) return CannotWarmUp(input, "it has no data_type");
  std::vector<std::int64_t> shape = described.dims;
  if (batched) shape.insert(shape.begin(), std::max<std::int64_t>(input.sample.batch_size, 1));
  if (std::ranges::any_of(shape, [](std::int64_t dim) { return dim < 0; })) {
    return CannotWarmUp(input, "its dims must be numbers of elements");
  }
  const Shape checked(shape.begin(), shape.end());
  const auto nbytes = ByteSize(checked, Info(*described.dtype).itemsize);
  if (!nbytes.ok() || *nbytes > kMaxSampleBytes) return CannotWarmUp(input, "it is too large");
  at::Tensor tensor = at::zeros(shape, ToTorch(*described.dtype));
  if (described.content == WarmUpInput::Content::kRandom) FillRandom(tensor);
  if (described.content != WarmUpInput::Content::kFile) return tensor;
  TENSORFERRY_ASSIGN_OR_RETURN(const std::string elements, ReadElements(input, described.file, *nbytes));
  std::memcpy(tensor.mutable_data_ptr(), elements.data(), elements.size());
  return tensor;
}

absl::StatusOr<std::vector<Sample>> MakeSamples(const ModelConfig& config, const fs::path& folder,
                                                const fs::path& root) {
  std::vector<Sample> samples;
  for (const WarmUpSample& described : config.warm_up) {
    Sample sample;
    for (const auto& [name, input] : described.inputs) {
      TENSORFERRY_ASSIGN_OR_RETURN(
          at::Tensor tensor, MakeTensor({.sample = described, .name = name, .folder = folder, .root = root}, input,
                                        config.max_batch_size > 0));
      sample.push_back({name, std::move(tensor)});
    }
    samples.insert(samples.end(), static_cast<std::size_t>(std::clamp(described.count, 1, 1000)), sample);
  }
  return samples;
}

// Makes zeros for each input. Returns nothing if the model does not say how many elements an input has.
std::optional<Sample> Zeros(const ModelInfo& model) {
  Sample sample;
  for (const TensorSpec& spec : model.inputs) {
    std::vector<std::int64_t> shape = spec.shape;
    if (model.max_batch_size > 0 && !shape.empty()) shape.front() = 1;
    const auto dtype = DTypeByName(spec.dtype);
    if (!dtype || std::ranges::any_of(shape, [](std::int64_t dim) { return dim < 1; })) return std::nullopt;
    sample.push_back({spec.name, at::zeros(shape, ToTorch(*dtype))});
  }
  return model.inputs.empty() ? std::nullopt : std::optional(std::move(sample));
}

absl::Status RunSample(Model& model, const Sample& sample) {
  const c10::InferenceMode guard;
  Sample inputs = sample;
  for (NamedTensor& input : inputs)
    input.tensor = input.tensor.to(model.device(), /*non_blocking=*/false, /*copy=*/true);
  return model.Run(std::move(inputs)).status();
}

}  // namespace

absl::Status WarmUp(ServedModel& model, const ModelConfig& config, const WarmUpFiles& files, int intra_op_threads) {
  auto samples = CatchTorch(Reason::kModelNotReady, [&] { return MakeSamples(config, files.folder, files.root); });
  if (!samples.ok()) return samples.status();
  const bool asked_for = !samples->empty();
  if (!asked_for) {
    const auto zeros = CatchTorch(Reason::kModelNotReady, [&] { return Zeros(model.info()); });
    if (!zeros.ok() || !*zeros) return absl::OkStatus();
    samples->push_back(**zeros);
  }
  const int runs = RunsToWarmUp(model.info());
  const absl::Status status = model.OnEachExecutor([&](Model& engine) {
    UseOperatorThreads(intra_op_threads);
    for (int i = 0; i < runs; ++i) {
      for (const Sample& sample : *samples) {
        TENSORFERRY_RETURN_IF_ERROR(CatchTorch(Reason::kModelFailed, [&] { return RunSample(engine, sample); }));
      }
    }
    return absl::OkStatus();
  });
  if (status.ok() || !asked_for) return absl::OkStatus();
  const Failure failure = DescribeError(status);
  return MakeError(Reason::kModelNotReady, fmt::format("it fails on a sample of model_warmup: {}", failure.message),
                   {.log_text = failure.log_text});
}

}  // namespace tensorferry::inference
