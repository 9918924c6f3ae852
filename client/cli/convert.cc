#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <random>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/text.h"
#include "cli/array_requests.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/expected_outputs.h"
#include "cli/input.h"
#include "cli/model_text.h"
#include "cli/outcome.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "tensorferry/client/client.h"

namespace tensorferry::cli {
namespace {

void AddTimes(const client::Timing& more, client::Timing& sum) {
  sum.receive += more.receive;
  sum.convert += more.convert;
  sum.queue += more.queue;
  sum.compute += more.compute;
}

// Metadata copies all but the elements, which may be many.
client::Tensor Metadata(const client::Tensor& tensor) {
  return {.name = tensor.name,
          .dtype = tensor.dtype,
          .shape = tensor.shape,
          .strides = tensor.strides,
          .numel = tensor.numel,
          .itemsize = tensor.itemsize,
          .nbytes = tensor.nbytes,
          .device = tensor.device,
          .receipt = tensor.receipt,
          .data = std::nullopt};
}

// VerdictOf reports nothing as equal if the client refuses an array that the server has accepted.
client::Verdict VerdictOf(const client::Array& array, const client::Tensor& tensor) {
  return client::Verify(array, tensor).value_or(client::Verdict{});
}

// ModelInputs holds what a model is run on.
struct ModelInputs {
  std::vector<InputFile> files;
  std::vector<client::Array> arrays;  // The arrays of all files.
  std::vector<std::string> paths;     // The file that each array came from.
};

// Conversion is one run of the command, with the outcomes of all files.
class Conversion {
 public:
  Conversion(const Arguments& arguments, client::Client client, Output output)
      : arguments_(arguments), client_(std::move(client)), output_(std::move(output)), run_(std::random_device()()) {}

  ExitCode EachFile();
  ExitCode AllFilesAsOneRequest();

 private:
  absl::StatusOr<InputFile> Open(const std::string& path, Outcome& outcome) const;
  void ConvertArrays(InputFile& file, Outcome& outcome);
  bool Take(const InputFile& file, ArrayAnswer answer, Outcome& outcome);
  bool CheckWhole(const InputFile& file, Outcome& outcome) const;
  void Fail(const std::string& path, const absl::Status& status, Outcome& outcome) const;
  void AddInputs(const std::string& path, ModelInputs& inputs, Outcome& outcome) const;
  void AddInput(const NamedFile& input, ModelInputs& inputs, Outcome& outcome) const;
  void RunModel(const ModelInputs& inputs, Outcome& outcome);
  std::uint64_t OutputBytes(const ModelInputs& inputs);
  std::string WrongNames(const ModelInputs& inputs, const absl::Status& refused);
  void NameOffenders(const ModelInputs& inputs, Outcome& outcome) const;
  void Accept(const client::Verdict& verdict, const client::Tensor& tensor, Outcome& outcome);
  void Save(std::vector<client::Tensor> tensors);
  void NoteSaved(const absl::Status& saved);
  client::ConvertOptions Options(const Outcome& outcome, ProgressBar& bar) const;
  Fidelity fidelity() const { return arguments_.strict ? Fidelity::kStrict : Fidelity::kConvert; }
  void Print(const std::string& label, const Outcome& outcome);
  ExitCode Finish();
  Outcome NewOutcome();

  const Arguments& arguments_;
  client::Client client_;
  Output output_;
  const unsigned run_;  // Makes request ids differ from those of other runs.
  int outcomes_ = 0;
  ExitCode exit_code_ = ExitCode::kOk;
};

ExitCode Conversion::EachFile() {
  for (const std::string& path : arguments_.files) {
    Outcome outcome = NewOutcome();
    absl::StatusOr<InputFile> file = Open(path, outcome);
    if (file.ok() && file->names().empty() && !arguments_.json) fmt::print("{}: no arrays\n", OneLine(path));
    if (file.ok()) ConvertArrays(*file, outcome);
    Print(path, outcome);
    if (client::IsUnreachable(outcome.error)) break;  // The server will not be reachable for the next file either.
  }
  return Finish();
}

// Open also stores the error in `outcome`.
absl::StatusOr<InputFile> Conversion::Open(const std::string& path, Outcome& outcome) const {
  absl::StatusOr<InputFile> file = InputFile::Open(
      path, {.name = arguments_.dtype, .only_file = arguments_.files.size() + arguments_.inputs.size() == 1});
  absl::Status status = file.status();
  if (file.ok()) {
    outcome.skipped.insert(outcome.skipped.end(), file->skipped().begin(), file->skipped().end());
    status = file->CheckHasArrays();
  }
  if (status.ok()) return file;
  Fail(path, status, outcome);
  return status;
}

void Conversion::ConvertArrays(InputFile& file, Outcome& outcome) {
  ProgressBar bar;
  bool any_read = false;
  std::uint64_t answered = 0;
  ConvertEach(client_, file, Options(outcome, bar), [&](ArrayAnswer answer) {
    any_read = any_read || answer.array;
    bar.Answered(++answered, file.names().size());
    return Take(file, std::move(answer), outcome);
  });
  if (outcome.refused.empty() || !outcome.error.ok() || !outcome.response.tensors.empty()) return;
  outcome.error = outcome.refused.front().error;
  if (!any_read) outcome.exit_code = ExitCode::kBadInput;
}

// CheckWhole returns whether the file still holds what it held when it was opened. If not, no answer to its arrays can
// be trusted.
bool Conversion::CheckWhole(const InputFile& file, Outcome& outcome) const {
  const absl::Status whole = file.CheckWhole();
  if (!whole.ok()) Fail(file.path(), whole, outcome);
  return whole.ok();
}

// Fail reports that the file cannot be read.
void Conversion::Fail(const std::string& path, const absl::Status& status, Outcome& outcome) const {
  PrintError(fmt::format("{}: {}", path, ErrorText(status)));
  outcome.error = status;
  outcome.exit_code = Worse(outcome.exit_code, ExitCode::kBadInput);
}

// Take adds the answer to one array. It returns false if the other arrays need not be tried.
bool Conversion::Take(const InputFile& file, ArrayAnswer answer, Outcome& outcome) {
  client::Verdict verdict;
  if (answer.response.ok()) verdict = VerdictOf(*answer.array, answer.response->tensors.front());
  if (!CheckWhole(file, outcome)) return false;
  if (answer.response.ok()) {
    AddTimes(answer.response->timing, outcome.response.timing);
    Accept(verdict, answer.response->tensors.front(), outcome);
    Save(std::move(answer.response->tensors));
    return true;
  }
  const absl::Status& status = answer.response.status();
  const ExitCode code = answer.array ? ExitCodeOf(status) : ExitCode::kRefused;
  outcome.exit_code = Worse(outcome.exit_code, code);
  PrintError(fmt::format("{}: {}", file.path(), ErrorText(status)));
  if (code == ExitCode::kRefused) {
    outcome.refused.push_back({file.path(), std::move(answer.name), status});
  } else {
    outcome.error = status;
  }
  return code == ExitCode::kRefused;
}

ExitCode Conversion::AllFilesAsOneRequest() {
  Outcome outcome = NewOutcome();
  ModelInputs inputs;
  for (const std::string& path : arguments_.files) AddInputs(path, inputs, outcome);
  for (const NamedFile& input : arguments_.inputs) AddInput(input, inputs, outcome);
  if (outcome.exit_code == ExitCode::kOk) RunModel(inputs, outcome);
  if (outcome.exit_code == ExitCode::kRefused) NameOffenders(inputs, outcome);
  Print(arguments_.model, outcome);
  return Finish();
}

// AddInputs stores its errors in `outcome`.
void Conversion::AddInputs(const std::string& path, ModelInputs& inputs, Outcome& outcome) const {
  absl::StatusOr<InputFile> file = Open(path, outcome);
  if (!file.ok()) return;
  for (std::size_t i = 0; i < file->names().size(); ++i) {
    absl::StatusOr<client::Array> array = file->Read(i);
    if (!array.ok()) {
      Fail(path, array.status(), outcome);
      continue;
    }
    inputs.arrays.push_back(*std::move(array));
    inputs.paths.push_back(path);
  }
  inputs.files.push_back(*std::move(file));
}

// AddInput takes the only array of a file, under the input's name.
void Conversion::AddInput(const NamedFile& input, ModelInputs& inputs, Outcome& outcome) const {
  absl::StatusOr<InputFile> file = Open(input.file, outcome);
  if (!file.ok()) return;
  const absl::Status one = file->CheckHasOneArray(input.name);
  if (!one.ok()) return Fail(input.file, one, outcome);
  absl::StatusOr<client::Array> array = file->Read(0);
  if (!array.ok()) return Fail(input.file, array.status(), outcome);
  array->name = input.name;
  inputs.arrays.push_back(*std::move(array));
  inputs.paths.push_back(input.file);
  inputs.files.push_back(*std::move(file));
}

// NameOffenders prints all arrays that the server would refuse: the server itself names only the first.
void Conversion::NameOffenders(const ModelInputs& inputs, Outcome& outcome) const {
  const std::string named = client::ToError(outcome.error).metadata["array"];
  for (std::size_t i = 0; i < inputs.arrays.size(); ++i) {
    absl::Status status = client::CheckArray(inputs.arrays[i], fidelity());
    if (status.ok()) continue;
    if (inputs.arrays[i].name != named) {
      PrintError(fmt::format("{}: {}", inputs.paths[i], ErrorText(status)));
    }
    outcome.refused.push_back({inputs.paths[i], inputs.arrays[i].name, std::move(status)});
  }
}

// WrongNames says of an INPUT_MISMATCH which inputs the model has and which were sent, if these are others.
std::string Conversion::WrongNames(const ModelInputs& inputs, const absl::Status& refused) {
  if (client::ToError(refused).reason != Info(Reason::kInputMismatch).name) return "";
  std::vector<std::string> expected;
  std::vector<std::string> actual;
  for (const client::Array& array : inputs.arrays) actual.push_back(array.name);
  const auto models = client_.ListModels();
  for (const client::ModelInfo& model : models.ok() ? *models : std::vector<client::ModelInfo>()) {
    if (model.name != arguments_.model || model.state != client::ModelState::kReady) continue;
    expected.clear();
    for (const client::TensorSpec& input : model.inputs) expected.push_back(input.name);
  }
  if (expected.empty() || std::ranges::is_permutation(expected, actual)) return "";
  return fmt::format("; expected inputs {}, got {}", fmt::join(expected, ", "), fmt::join(actual, ", "));
}

// OutputBytes asks a server that may write outputs to memory of this process how large they will be: one request is all
// that the command makes, so that nothing is to be learnt from an answer. 0: the server does not say.
std::uint64_t Conversion::OutputBytes(const ModelInputs& inputs) {
  const bool may_lend = arguments_.transport != client::Transport::kBytes && arguments_.server.starts_with("unix:");
  if (!may_lend) return 0;
  constexpr std::chrono::milliseconds kPatience{1000};  // Messages bring outputs, too.
  const auto timeout = arguments_.timeout.count() > 0 ? std::min(arguments_.timeout, kPatience) : kPatience;
  const auto models = client_.ListModels(timeout);
  return models.ok() ? ExpectedOutputBytes(VersionsOf(*models, arguments_.model), inputs.arrays) : 0;
}

void Conversion::RunModel(const ModelInputs& inputs, Outcome& outcome) {
  ProgressBar bar;
  client::ConvertOptions options = Options(outcome, bar);
  options.expected_output_bytes = OutputBytes(inputs);
  absl::StatusOr<client::Response> response = client_.Convert(inputs.arrays, options);
  std::vector<client::Verdict> verdicts;
  for (std::size_t i = 0; response.ok() && i < inputs.arrays.size(); ++i) {
    verdicts.push_back(VerdictOf(inputs.arrays[i], response->tensors[i]));
  }
  for (const InputFile& file : inputs.files) {
    if (!CheckWhole(file, outcome)) return;
  }
  if (!response.ok()) {
    outcome.error = response.status();
    outcome.exit_code = ExitCodeOf(outcome.error);
    PrintError(fmt::format("{}: {}{}", arguments_.model, ErrorText(outcome.error), WrongNames(inputs, outcome.error)));
    return;
  }
  outcome.response.model_name = response->model_name;
  outcome.response.model_version = response->model_version;
  outcome.response.timing = response->timing;
  for (std::size_t i = 0; i < verdicts.size(); ++i) Accept(verdicts[i], response->tensors[i], outcome);
  for (const client::Tensor& output : response->outputs) outcome.response.outputs.push_back(Metadata(output));
  Save(std::move(response->outputs));
}

void Conversion::Accept(const client::Verdict& verdict, const client::Tensor& tensor, Outcome& outcome) {
  outcome.verdicts.push_back(verdict);
  if (!verdict.equal()) outcome.exit_code = Worse(outcome.exit_code, ExitCode::kNotEqual);
  outcome.response.tensors.push_back(Metadata(tensor));
}

void Conversion::Save(std::vector<client::Tensor> tensors) {
  if (!output_.wanted()) return;
  NoteSaved(output_.Add(std::move(tensors)));
}

// NoteSaved says what cannot be saved: what the format does not hold is for the caller to mend.
void Conversion::NoteSaved(const absl::Status& saved) {
  if (saved.ok()) return;
  const std::string reason = client::ToError(saved).reason;
  const bool not_in_format = reason == Info(Reason::kUnsupportedDtype).name || reason == Info(Reason::kBadName).name;
  PrintError(fmt::format("{}{}", ErrorText(saved), not_in_format ? "; nothing is saved, a .npz would hold it" : ""));
  exit_code_ = Worse(exit_code_, not_in_format ? ExitCode::kUsage : ExitCode::kInternal);
}

client::ConvertOptions Conversion::Options(const Outcome& outcome, ProgressBar& bar) const {
  return {.request_id = outcome.request_id,
          .model_name = arguments_.model,
          .fidelity = fidelity(),
          .return_data = output_.wanted() && arguments_.model.empty(),
          .timeout = arguments_.timeout,
          .retries = arguments_.retries,
          .progress = [&bar](std::uint64_t sent, std::uint64_t total) { bar.Sent(sent, total); }};
}

void Conversion::Print(const std::string& label, const Outcome& outcome) {
  exit_code_ = Worse(exit_code_, outcome.exit_code);
  if (outcome.exit_code == ExitCode::kNotEqual) PrintError(label + ": a tensor is not the array that was sent");
  if (arguments_.json) {
    fmt::print("{}\n", ToJson(outcome));
  } else {
    fmt::print("{}", ToText(outcome));
  }
  std::fflush(stdout);
}

ExitCode Conversion::Finish() {
  if (exit_code_ != ExitCode::kUnreachable) NoteSaved(output_.Finish());
  return exit_code_;
}

Outcome Conversion::NewOutcome() {
  Outcome outcome;
  outcome.server = arguments_.server;
  outcome.request_id = fmt::format("{:08x}-{}", run_, ++outcomes_);
  outcome.model = arguments_.model;
  return outcome;
}

}  // namespace

ExitCode RunConvert(const Arguments& arguments) {
  absl::StatusOr<client::Client> client = Connect(arguments);
  absl::StatusOr<Output> output = Output::Open(arguments.output);
  for (const absl::Status& status : {client.status(), output.status()}) {
    if (status.ok()) continue;
    PrintError(std::string(status.message()));
    return ExitCode::kUsage;
  }
  Conversion conversion(arguments, *std::move(client), *std::move(output));
  const bool each = arguments.model.empty() && arguments.inputs.empty();
  return each ? conversion.EachFile() : conversion.AllFilesAsOneRequest();
}

}  // namespace tensorferry::cli
