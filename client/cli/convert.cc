#include <fmt/format.h>

#include <cstdio>
#include <random>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/input.h"
#include "cli/outcome.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "tensorferry/client/client.h"

namespace tensorferry::cli {
namespace {

// Requests of one run of the command; the first failure decides its exit code.
class Conversion {
 public:
  Conversion(const Arguments& arguments, client::Client client, Output output)
      : arguments_(arguments), client_(std::move(client)), output_(std::move(output)), run_(std::random_device()()) {}

  ExitCode EachFile();
  ExitCode AllFilesAsOneRequest();

 private:
  void Convert(const std::string& label, std::span<const client::Array> arrays);
  absl::StatusOr<client::Response> Call(std::span<const client::Array> arrays, const std::string& request_id);
  void Check(std::span<const client::Array> arrays, Outcome& outcome);
  void Print(const std::string& label, const Outcome& outcome);
  ExitCode Finish();
  Outcome NewOutcome();
  absl::StatusOr<client::ArrayFile> Load(const std::string& path);

  const Arguments& arguments_;
  client::Client client_;
  Output output_;
  const unsigned run_;  // Makes request ids differ from those of other runs.
  int requests_ = 0;
  ExitCode exit_code_ = ExitCode::kOk;
};

ExitCode Conversion::EachFile() {
  for (const std::string& path : arguments_.files) {
    const absl::StatusOr<client::ArrayFile> file = Load(path);
    if (file.ok()) Convert(path, file->arrays());
    if (exit_code_ == ExitCode::kUnreachable) break;  // Nor will it be for the next file.
  }
  return Finish();
}

ExitCode Conversion::AllFilesAsOneRequest() {
  std::vector<client::ArrayFile> files;
  std::vector<client::Array> arrays;
  for (const std::string& path : arguments_.files) {
    absl::StatusOr<client::ArrayFile> file = Load(path);
    if (!file.ok()) continue;
    arrays.insert(arrays.end(), file->arrays().begin(), file->arrays().end());
    files.push_back(*std::move(file));
  }
  if (exit_code_ == ExitCode::kOk) Convert(arguments_.model, arrays);
  return Finish();
}

absl::StatusOr<client::ArrayFile> Conversion::Load(const std::string& path) {
  absl::StatusOr<client::ArrayFile> file = LoadArrays(path, arguments_.dtype);
  if (!file.ok()) {
    Outcome outcome = NewOutcome();
    outcome.response = file.status();
    outcome.exit_code = ExitCode::kBadInput;
    Print(path, outcome);
  }
  return file;
}

void Conversion::Convert(const std::string& label, std::span<const client::Array> arrays) {
  Outcome outcome = NewOutcome();
  outcome.response = Call(arrays, outcome.request_id);
  if (outcome.response.ok()) Check(arrays, outcome);
  if (!outcome.response.ok()) outcome.exit_code = ExitCodeOf(outcome.response.status());
  Print(label, outcome);
  if (!outcome.response.ok()) return;
  const absl::Status saved =
      output_.Add(std::move(arguments_.model.empty() ? outcome.response->tensors : outcome.response->outputs));
  if (saved.ok()) return;
  PrintError(saved.ToString());
  exit_code_ = ExitCode::kInternal;
}

absl::StatusOr<client::Response> Conversion::Call(std::span<const client::Array> arrays,
                                                  const std::string& request_id) {
  ProgressBar bar;
  return client_.Convert(arrays,
                         {.request_id = request_id,
                          .model_name = arguments_.model,
                          .fidelity = arguments_.strict ? Fidelity::kStrict : Fidelity::kConvert,
                          .return_data = output_.wanted() && arguments_.model.empty(),
                          .timeout = arguments_.timeout,
                          .progress = [&](std::uint64_t sent, std::uint64_t total) { bar.Update(sent, total); }});
}

// Compares every tensor with its array.
void Conversion::Check(std::span<const client::Array> arrays, Outcome& outcome) {
  const std::vector<client::Tensor>& tensors = outcome.response->tensors;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const absl::StatusOr<client::Verdict> verdict = client::Verify(arrays[i], tensors[i]);
    outcome.verdicts.push_back(verdict.value_or(client::Verdict{}));  // Accepted there and refused here: not equal.
    if (!outcome.verdicts.back().equal()) outcome.exit_code = ExitCode::kNotEqual;
  }
}

void Conversion::Print(const std::string& label, const Outcome& outcome) {
  if (exit_code_ == ExitCode::kOk) exit_code_ = outcome.exit_code;
  if (!outcome.response.ok()) PrintError(fmt::format("{}: {}", label, ErrorText(outcome.response.status())));
  if (outcome.exit_code == ExitCode::kNotEqual) PrintError(label + ": a tensor is not the array that was sent");
  if (arguments_.json) {
    fmt::print("{}\n", ToJson(outcome));
  } else {
    fmt::print("{}", ToText(outcome));
  }
  std::fflush(stdout);
}

ExitCode Conversion::Finish() {
  const absl::Status saved = exit_code_ == ExitCode::kUnreachable ? absl::OkStatus() : output_.Finish();
  if (saved.ok()) return exit_code_;
  PrintError(saved.ToString());
  return ExitCode::kInternal;
}

Outcome Conversion::NewOutcome() {
  return {.server = arguments_.server,
          .request_id = fmt::format("{:08x}-{}", run_, ++requests_),
          .model = arguments_.model,
          .response = client::Response{}};
}

}  // namespace

ExitCode RunConvert(const Arguments& arguments) {
  absl::StatusOr<client::Client> client = client::Client::Connect(arguments.server);
  absl::StatusOr<Output> output = Output::Open(arguments.output);
  for (const absl::Status& status : {client.status(), output.status()}) {
    if (status.ok()) continue;
    PrintError(std::string(status.message()));
    return ExitCode::kUsage;
  }
  Conversion conversion(arguments, *std::move(client), *std::move(output));
  return arguments.model.empty() ? conversion.EachFile() : conversion.AllFilesAsOneRequest();
}

}  // namespace tensorferry::cli
