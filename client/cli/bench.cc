#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

#include "base/status.h"
#include "bench/array.h"
#include "bench/request.h"
#include "bench/run.h"
#include "cli/bench_report.h"
#include "cli/bench_target.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/outcome.h"
#include "cli/terminal.h"
#include "tensorferry/client/client.h"

namespace tensorferry::cli {
namespace {

std::atomic<bool> interrupt_requested = false;  // A signal handler may touch nothing else.

// The first Ctrl-C ends the measurement, the second one the program.
void CatchInterrupt() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupt_requested = true; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

// Answers holds what `bench` asks the server before the load.
struct Answers {
  client::ServerInfo info;
  std::vector<client::ModelInfo> models;
};

absl::StatusOr<Answers> AskServer(client::Client& client, const Arguments& arguments) {
  Answers answers;
  TENSORFERRY_ASSIGN_OR_RETURN(answers.info, client.GetServerInfo(arguments.bench.patience));
  if (arguments.model.empty()) return answers;
  TENSORFERRY_ASSIGN_OR_RETURN(answers.models, client.ListModels(arguments.bench.patience));
  return answers;
}

// Bench measures one size after the other, and prints each.
class Bench {
 public:
  Bench(const Arguments& arguments, const client::ConnectOptions& connection, const BenchTarget& target)
      : arguments_(arguments),
        options_(arguments.bench),
        chunk_bytes_(target.chunk_bytes),
        arrays_(arguments.dtype, target.input),
        channels_(OpenBenchChannels(arguments.server, arguments.bench.connections, connection)) {}

  ExitCode Run() {
    if (const absl::Status filled = arrays_.Fill(options_.sizes); !filled.ok()) {
      PrintError(std::string(filled.message()));
      return absl::IsInvalidArgument(filled) ? ExitCode::kUsage : ExitCode::kInternal;
    }
    if (!arguments_.json) Print(BenchHead(arguments_));
    for (const std::uint64_t size : options_.sizes) {
      std::optional<BenchResult> result = Measure(size);
      if (!result) break;
      rows_.push_back({size, *std::move(result)});
      if (!arguments_.json) Print(BenchLine(arguments_, rows_.back()));
      if (interrupt_requested || !rows_.back().result.ended.ok()) break;
    }
    if (arguments_.json) Print(BenchJson(arguments_, rows_, interrupt_requested) + "\n");
    return Finish();
  }

 private:
  // Returns nothing if it was interrupted before the measurement began.
  std::optional<BenchResult> Measure(std::uint64_t size) {
    const client::Array array = arrays_.Of(size);
    const auto request = MakeRequest(array);
    if (!request.ok()) return NotSent(request.status());
    BenchRun run(options_, channels_, array, request->messages, interrupt_requested);
    if (options_.warmup.count() > 0) {
      BenchResult warmup = run.Measure(options_.warmup);
      if (interrupt_requested) return std::nullopt;
      if (warmup.gave_up || !warmup.ended.ok() || !warmup.refused.ok())
        return warmup;  // A measurement would fare no better.
    }
    return run.Measure(options_.duration);
  }

  absl::StatusOr<BenchRequest> MakeRequest(const client::Array& array) const {
    const BenchRequestOptions asked{
        .mode = options_.mode, .model = arguments_.model, .digest = options_.digest, .chunk_bytes = chunk_bytes_};
    if (arguments_.transport == client::Transport::kSealed) {
      return MakeSealedBenchRequest(arguments_.server, array, asked);
    }
    return BenchRequest{.messages = MakeBenchRequest(array, asked), .regions = {}};
  }

  // Returns the result of a size whose array the server has not taken.
  static BenchResult NotSent(const absl::Status& status) {
    BenchResult result;
    const client::Error error = client::ToError(status);
    ++result.errors[error.reason.empty() ? std::string(absl::StatusCodeToString(error.code)) : error.reason];
    (client::IsUnreachable(status) ? result.ended : result.refused) = status;
    return result;
  }

  ExitCode Finish() const {
    const absl::Status ended = rows_.empty() ? absl::OkStatus() : rows_.back().result.ended;
    if (!ended.ok()) {
      PrintError(fmt::format("{}: {}", arguments_.server, ErrorText(ended)));
      return absl::IsUnavailable(ended) ? ExitCode::kUnreachable : ExitCode::kNotEqual;
    }
    std::uint64_t ok = 0;
    std::uint64_t failed = 0;
    bool gave_up = false;
    for (const BenchRow& row : rows_) {
      ok += row.result.ok;
      failed += row.result.failed();
      gave_up = gave_up || row.result.gave_up;
    }
    if (ok > 0 || failed == 0) return ExitCode::kOk;
    const absl::Status& refused = rows_.front().result.refused;
    PrintError(fmt::format("{}: not one of {} requests was answered with a tensor{}", arguments_.server, failed,
                           refused.ok() ? "" : "; " + ErrorText(refused)));
    return gave_up ? ExitCode::kDeadline : ExitCode::kRefused;
  }

  static void Print(const std::string& text) {
    fmt::print("{}", text);
    std::fflush(stdout);
  }

  const Arguments& arguments_;
  const BenchOptions& options_;
  const std::size_t chunk_bytes_;
  BenchArrays arrays_;
  const BenchChannels channels_;
  std::vector<BenchRow> rows_;
};

}  // namespace

ExitCode RunBench(const Arguments& arguments) {
  // The files are read once for all connections: one that is a pipe, such as a token's, gives its text once.
  const absl::StatusOr<client::ConnectOptions> connection = ConnectOptionsOf(arguments);
  absl::StatusOr<client::Client> client =
      connection.ok() ? client::Client::Connect(arguments.server, *connection) : connection.status();
  if (!client.ok()) {
    PrintError(std::string(client.status().message()));
    return ExitCode::kUsage;
  }
  const absl::StatusOr<Answers> answers = AskServer(*client, arguments);
  if (!answers.ok()) {
    PrintError(fmt::format("{}: {}", arguments.server, ErrorText(answers.status())));
    return ExitCodeOf(answers.status());
  }
  Arguments completed = arguments;
  const absl::StatusOr<BenchTarget> target = MakeBenchTarget(answers->info, answers->models, completed);
  if (!target.ok()) {
    PrintError(std::string(target.status().message()));
    return ExitCode::kUsage;
  }
  CatchInterrupt();
  return Bench(completed, *connection, *target).Run();
}

}  // namespace tensorferry::cli
