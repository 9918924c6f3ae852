#include "inference/serving/batch_runner.h"

#include <c10/core/InferenceMode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/status.h"
#include "inference/serving/counted_outputs.h"
#include "inference/serving/gather.h"
#include "inference/tensor/catch_torch.h"
#include "inference/tensor/operator_threads.h"
#include "inference/tensor/retained_memory.h"

namespace tensorferry::inference {
namespace {

at::Tensor ToDevice(const at::Tensor& tensor, at::Device device) {
  return device.is_cpu() ? tensor : tensor.pin_memory().to(device, /*non_blocking=*/true);
}

absl::StatusOr<at::Tensor> CopyForModel(const NamedTensor& input, const Few<ModelRun*>& runs, BufferPool& pool) {
  if (runs.size() == 1) return CopyOf(input.tensor, {pool, runs.front()->peer()});
  TENSORFERRY_ASSIGN_OR_RETURN(AlignedBuffer memory, TakeForAll(runs, input.name, pool));
  return CopyOf(input.tensor, std::move(memory));
}

// Returns the inputs for the model. If responses have the elements of the converted tensors, the model gets copies of
// these tensors, as it may write to its inputs.
absl::StatusOr<std::vector<NamedTensor>> InputsForModel(std::vector<NamedTensor> inputs, const Few<ModelRun*>& runs,
                                                        at::Device device, BufferPool& pool) {
  const bool returns_data = std::ranges::any_of(runs, [](const ModelRun* run) { return run->options.return_data; });
  for (NamedTensor& input : inputs) {
    if (returns_data) {
      TENSORFERRY_ASSIGN_OR_RETURN(input.tensor, CopyForModel(input, runs, pool));
    }
    input.tensor = ToDevice(input.tensor, device);
  }
  return inputs;
}

// Describes the converted tensors of one request, the `index`th of those that were gathered, with their receipts.
absl::StatusOr<PipelineResponse> DescribeInputs(const ModelRun& run, const GatheredInputs& gathered, std::size_t index,
                                                const ResultLimits& limits) {
  const Elements elements = run.options.return_data ? Elements::kShared : Elements::kNone;
  PipelineResponse response;
  response.tensors.reserve(run.inputs.size());
  for (std::size_t i = 0; i < run.inputs.size(); ++i) {
    const NamedTensor named{run.inputs[i].name, gathered.RowsOf(index, i, run.inputs[i].name)};
    TENSORFERRY_RETURN_IF_ERROR(
        AddResultWithReceipt(named, gathered.receipts[index][i], elements, limits, response.tensors));
  }
  return response;
}

absl::Status UnknownOutput(const std::vector<NamedTensor>& outputs, std::string_view name) {
  std::vector<std::string> names;
  for (const NamedTensor& output : outputs) names.push_back(Quote(output.name));
  return MakeError(
      Reason::kUnknownOutput,
      fmt::format("there is no output {}; the model has {}", Quote(name), fmt::join(names, ", ")),
      {.field = "requested_outputs", .expected = fmt::format("[{}]", fmt::join(names, ", ")), .actual = Quote(name)});
}

// OutputFinder finds outputs by their names. A caller chooses how many names there are, so that of many each is found in
// a time that does not grow with their number. Borrows `outputs`.
class OutputFinder {
 public:
  OutputFinder(const std::vector<NamedTensor>& outputs, std::size_t searches) : outputs_(outputs) {
    constexpr std::size_t kFewSearches = 16;
    if (searches <= kFewSearches) return;
    for (const NamedTensor& output : outputs) by_name_.emplace(output.name, &output);
  }

  // Returns null if there is no output of that name.
  const NamedTensor* Find(std::string_view name) const {
    if (!by_name_.empty()) {
      const auto found = by_name_.find(name);
      return found == by_name_.end() ? nullptr : found->second;
    }
    const auto output = std::ranges::find(outputs_, name, &NamedTensor::name);
    return output == outputs_.end() ? nullptr : &*output;
  }

 private:
  const std::vector<NamedTensor>& outputs_;
  std::unordered_map<std::string_view, const NamedTensor*> by_name_;
};

// Returns the outputs in the order in which they were requested, or all of them if none was requested.
absl::StatusOr<Few<const NamedTensor*>> Select(const std::vector<NamedTensor>& outputs,
                                               const std::vector<std::string>& requested) {
  Few<const NamedTensor*> selected;
  if (requested.empty()) {
    for (const NamedTensor& output : outputs) selected.push_back(&output);
  }
  const OutputFinder finder(outputs, requested.size());
  for (const std::string& name : requested) {
    const NamedTensor* const output = finder.Find(name);
    if (output == nullptr) return UnknownOutput(outputs, name);
    selected.push_back(output);
  }
  return selected;
}

absl::Status CheckRows(const std::vector<NamedTensor>& outputs, std::int64_t rows) {
  for (const auto& [name, tensor, strings] : outputs) {
    if (strings || !tensor.defined() || (tensor.dim() > 0 && tensor.size(0) == rows)) continue;
    return MakeError(Reason::kModelFailed, fmt::format("output {} has shape {}, but the batch has {} rows", Quote(name),
                                                       ToText({tensor.sizes().data(), tensor.sizes().size()}), rows));
  }
  return absl::OkStatus();
}

// Checks that the output is what ListModels and the model's metadata promise.
absl::Status CheckOutput(const std::vector<TensorSpec>& specs, const TensorMetadata& output) {
  const auto spec = std::ranges::find(specs, output.name, &TensorSpec::name);
  if (spec == specs.end() || spec->dtype.empty()) return absl::OkStatus();
  const bool fits = std::ranges::equal(spec->shape, output.shape,
                                       [](std::int64_t said, std::int64_t dim) { return said == -1 || said == dim; });
  if (spec->dtype == output.dtype && fits) return absl::OkStatus();
  const std::string expected = fmt::format("{} {}", spec->dtype, ToText(spec->shape));
  const std::string actual = fmt::format("{} {}", output.dtype, ToText(output.shape));
  return MakeError(Reason::kModelFailed,
                   fmt::format("output {} is {}, where {} was promised", Quote(output.name), actual, expected),
                   {.expected = expected, .actual = actual});
}

// RowRange is the rows of a batch that belong to one request.
struct RowRange {
  std::int64_t first = 0;
  std::int64_t count = 0;  // 0: the model has no batches, and every output belongs to the request as it is.
};

NamedTensor SliceRows(const NamedTensor& output, const RowRange& rows) {
  const auto& [name, tensor, strings] = output;
  const bool is_all = rows.count == 0 || strings || (tensor.dim() > 0 && tensor.size(0) == rows.count);
  return {name, is_all ? tensor : tensor.narrow(0, rows.first, rows.count), strings};
}

// OutputReader turns the outputs of a run into results.
class OutputReader {
 public:
  // Constructed right after the run, as RetainedMemory must be. Borrows `model` and `outputs`.
  OutputReader(const ModelInfo& model, const std::vector<NamedTensor>& outputs)
      : model_(model), outputs_(outputs), retained_(outputs) {}

  // Adds to the result of `run` its rows of those outputs that it requested, and notes what they keep.
  absl::Status AddTo(ModelRun& run, const RowRange& rows, const ResultLimits& limits, CountedOutputs& counted) const {
    TENSORFERRY_ASSIGN_OR_RETURN(const Few<const NamedTensor*> wanted, Select(outputs_, run.options.requested_outputs));
    run.result->outputs.reserve(wanted.size());
    for (const NamedTensor* const output : wanted) {
      const Elements elements = retained_.Holds(output->tensor) ? Elements::kCopied : Elements::kShared;
      std::vector<TensorResult>& results = run.result->outputs;
      TENSORFERRY_RETURN_IF_ERROR(AddResult(SliceRows(*output, rows), elements, limits, results));
      counted.Note(*output, results.back());
      TENSORFERRY_RETURN_IF_ERROR(CheckOutput(model_.outputs, results.back().metadata));
    }
    return absl::OkStatus();
  }

 private:
  const ModelInfo& model_;
  const std::vector<NamedTensor>& outputs_;
  const RetainedMemory retained_;
};

}  // namespace

Few<Execution> BatchRunner::Run(Model& model, Few<ModelRun*> runs) const {
  const c10::InferenceMode guard;
  UseOperatorThreads(options_.intra_op_threads);
  Few<Execution> executions;
  executions.push_back({.runs = std::move(runs)});
  Execution& together = executions.front();
  const absl::Status status = CatchTorch(Reason::kInternal, [&] { return RunOnce(model, together); });
  if (status.ok()) return executions;
  if (together.runs.size() > 1) {
    const Few<ModelRun*> each = std::move(together.runs);
    executions.clear();
    for (ModelRun* const run : each) run->result = absl::UnknownError("not run");  // It has the memory of all of them.
    RunEach(model, each, executions);
  } else {
    together.runs.front()->result = status;
  }
  return executions;
}

void BatchRunner::RunEach(Model& model, const Few<ModelRun*>& runs, Few<Execution>& executions) const {
  for (ModelRun* const run : runs) {
    Execution alone{.runs = {run}};
    absl::Status status = run->CheckCaller();
    if (status.ok()) status = CatchTorch(Reason::kInternal, [&] { return RunOnce(model, alone); });
    if (!status.ok()) run->result = std::move(status);
    executions.push_back(std::move(alone));
  }
}

absl::Status BatchRunner::RunOnce(Model& model, Execution& execution) const {
  const Clock::time_point start = options_.now();
  TENSORFERRY_ASSIGN_OR_RETURN(GatheredInputs gathered, GatherInputs(execution.runs, options_.batches, pool_));
  execution.rows = gathered.rows();
  for (std::size_t i = 0; i < execution.runs.size(); ++i) {
    execution.nbytes += BytesOf(*execution.runs[i]);
    execution.runs[i]->result = DescribeInputs(*execution.runs[i], gathered, i, LimitsFor(*execution.runs[i]));
    TENSORFERRY_RETURN_IF_ERROR(execution.runs[i]->result.status());
  }
  // If there are several runs, they may have to run again, each alone.
  if (execution.runs.size() == 1) execution.runs.front()->InputsTaken();
  TENSORFERRY_ASSIGN_OR_RETURN(std::vector<NamedTensor> inputs,
                               InputsForModel(std::move(gathered.tensors), execution.runs, model.device(), pool_));
  const Clock::time_point gathered_at = options_.now();
  execution.compute_input = gathered_at - start;
  auto outputs = model.Run(std::move(inputs));
  const Clock::time_point ran_at = options_.now();
  execution.compute_infer = ran_at - gathered_at;
  if (!outputs.ok()) return InModel(model.info().name, outputs.status());
  TENSORFERRY_RETURN_IF_ERROR(AddOutputs(model.info(), *outputs, execution));
  execution.compute_output = options_.now() - ran_at;
  return absl::OkStatus();
}

absl::Status BatchRunner::AddOutputs(const ModelInfo& model, const std::vector<NamedTensor>& outputs,
                                     const Execution& execution) const {
  const OutputReader reader(model, outputs);
  if (options_.batches) TENSORFERRY_RETURN_IF_ERROR(InModel(model.name, CheckRows(outputs, execution.rows)));
  CountedOutputs counted;
  RowRange rows;
  for (ModelRun* const run : execution.runs) {
    rows.count = options_.batches ? RowsOf(*run, options_.batches) : 0;
    const absl::Status status = reader.AddTo(*run, rows, LimitsFor(*run), counted);
    rows.first += rows.count;
    if (!status.ok()) {
      run->result = InModel(model.name, status);
      continue;
    }
    run->result->model_name = model.name;
    run->result->model_version = model.version;
    run->result->convert_time = execution.compute_input;
    run->result->compute_time = execution.compute_infer;
  }
  if (!counted.few()) counted.CountFor(execution.runs, options_.batches, pool_);
  return absl::OkStatus();
}

}  // namespace tensorferry::inference
