#include <fmt/format.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/text.h"
#include "bench/array.h"
#include "bench/request.h"
#include "bench/run.h"
#include "cli/bench_inputs.h"
#include "cli/bench_plot.h"
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

// CheckWritable opens the file that results will be written to, as it is too late to fail after the load.
absl::Status CheckWritable(const std::string& path) {
  if (path.empty() || std::ofstream(path, std::ios::app)) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("{}: cannot be written: {}", path, std::strerror(errno)));
}

// MakeLoads returns what is measured, in turn: the arrays of `--input`, or random ones of each size.
absl::StatusOr<std::vector<BenchLoad>> MakeLoads(const Arguments& arguments, const BenchTarget& target) {
  std::vector<BenchLoad> loads;
  if (!arguments.inputs.empty()) {
    TENSORFERRY_ASSIGN_OR_RETURN(BenchLoad load, ReadBenchInputs(arguments, target.input));
    loads.push_back(std::move(load));
    return loads;
  }
  BenchArrays arrays(arguments.dtype, target.input);
  TENSORFERRY_RETURN_IF_ERROR(arrays.Fill(arguments.bench.sizes));
  for (const std::uint64_t size : arguments.bench.sizes) loads.push_back({size, {arrays.Of(size)}});
  return loads;
}

// Bench measures one load after the other, with each number of outstanding requests, and prints each.
class Bench {
 public:
  // `client` is one of the server of `arguments`.
  Bench(const Arguments& arguments, const client::ConnectOptions& connection, client::Client& client,
        std::size_t chunk_bytes)
      : arguments_(arguments),
        client_(client),
        options_(arguments.bench),
        chunk_bytes_(chunk_bytes),
        channels_(OpenBenchChannels(arguments.server, arguments.bench.connections, connection)) {}

  ExitCode Run(const std::vector<BenchLoad>& loads) {
    if (!arguments_.json) Print(BenchHead(arguments_));
    for (const BenchLoad& load : loads) {
      for (const int outstanding : options_.swept) {
        options_.outstanding = outstanding;
        if (!AddRow(load)) return Finish();
      }
    }
    return Finish();
  }

 private:
  // Returns false if nothing more is to be measured.
  bool AddRow(const BenchLoad& load) {
    std::optional<BenchResult> result = Measure(load);
    if (!result) return false;
    rows_.push_back({load.nbytes, options_.rate ? 0 : options_.outstanding, *std::move(result)});
    if (!arguments_.json) Print(BenchLine(arguments_, rows_.back()));
    return !interrupt_requested && rows_.back().result.ended.ok();
  }

  // Returns nothing if it was interrupted before the measurement began.
  std::optional<BenchResult> Measure(const BenchLoad& load) {
    const auto request = MakeRequest(load.arrays);
    if (!request.ok()) return NotSent(request.status());
    BenchRun run(options_, channels_, load.arrays, request->messages, interrupt_requested);
    if (options_.warmup.count() > 0) {
      BenchResult warmup = run.Measure(options_.warmup);
      if (interrupt_requested) return std::nullopt;
      if (warmup.gave_up || !warmup.ended.ok() || !warmup.refused.ok())
        return warmup;  // A measurement would fare no better.
    }
    return run.Measure(options_.duration);
  }

  absl::StatusOr<BenchRequest> MakeRequest(std::span<const client::Array> arrays) {
    const BenchRequestOptions asked{.mode = options_.mode,
                                    .model = arguments_.model,
                                    .digest = options_.digest,
                                    .chunk_bytes = chunk_bytes_,
                                    .patience = options_.patience};
    if (arguments_.transport == client::Transport::kSealed) {
      return MakeSealedBenchRequest({arguments_.server, client_}, arrays, asked);
    }
    TENSORFERRY_ASSIGN_OR_RETURN(std::vector<grpc::ByteBuffer> messages, MakeBenchRequest(arrays, asked));
    return BenchRequest{.messages = std::move(messages), .regions = {}, .outputs = nullptr};
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
    if (arguments_.json) Print(BenchJson(arguments_, rows_, interrupt_requested) + "\n");
    const bool written = Write(arguments_.csv, BenchCsv(rows_)) && Write(arguments_.plot, BenchPlot(arguments_, rows_));
    return written ? CodeOfRows() : ExitCode::kInternal;
  }

  static bool Write(const std::string& path, const std::string& text) {
    if (path.empty() || std::ofstream(path, std::ios::trunc) << text << std::flush) return true;
    PrintError(fmt::format("{}: cannot be written: {}", path, std::strerror(errno)));
    return false;
  }

  ExitCode CodeOfRows() const {
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
    PrintError(fmt::format("{}: not one of {} requests was answered with a tensor; {}", arguments_.server, failed,
                           refused.ok() ? Reasons() : ErrorText(refused)));
    return gave_up ? ExitCode::kDeadline : ExitCode::kRefused;
  }

  // Returns what became of requests that have no answer of their own to tell, such as "DEADLINE_EXCEEDED: 3".
  std::string Reasons() const {
    std::map<std::string, std::uint64_t> counts;
    for (const BenchRow& row : rows_) {
      for (const auto& [reason, count] : row.result.errors) counts[reason] += count;
    }
    std::string text;
    for (const auto& [reason, count] : counts) {
      text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", OneLine(reason), count);
    }
    return text;
  }

  static void Print(const std::string& text) {
    fmt::print("{}", text);
    std::fflush(stdout);
  }

  const Arguments& arguments_;
  client::Client& client_;
  BenchOptions options_;  // With what is outstanding now.
  const std::size_t chunk_bytes_;
  const BenchChannels channels_;
  std::vector<BenchRow> rows_;
};

// Prepared is what is measured. What the arguments did not say is completed by what the server says of itself.
struct Prepared {
  Arguments arguments;
  std::size_t chunk_bytes = 0;
  std::vector<BenchLoad> loads;
};

// Prepare returns what is measured.
// Errors: INVALID_ARGUMENT for what was asked for, and for files of `--input`; RESOURCE_EXHAUSTED.
absl::StatusOr<Prepared> Prepare(const Arguments& arguments, const Answers& answers) {
  Prepared prepared{.arguments = arguments, .chunk_bytes = 0, .loads = {}};
  TENSORFERRY_ASSIGN_OR_RETURN(const BenchTarget target,
                               MakeBenchTarget(answers.info, answers.models, prepared.arguments));
  prepared.chunk_bytes = target.chunk_bytes;
  TENSORFERRY_ASSIGN_OR_RETURN(prepared.loads, MakeLoads(prepared.arguments, target));
  return prepared;
}

}  // namespace

ExitCode RunBench(const Arguments& arguments) {
  // The files are read once for all connections: one that is a pipe, such as a token's, gives its text once.
  const absl::StatusOr<client::ConnectOptions> connection = ConnectOptionsOf(arguments);
  absl::StatusOr<client::Client> client =
      connection.ok() ? client::Client::Connect(arguments.server, *connection) : connection.status();
  for (const absl::Status& status : {client.status(), CheckWritable(arguments.csv), CheckWritable(arguments.plot)}) {
    if (status.ok()) continue;
    PrintError(std::string(status.message()));
    return ExitCode::kUsage;
  }
  const absl::StatusOr<Answers> answers = AskServer(*client, arguments);
  if (!answers.ok()) {
    PrintError(fmt::format("{}: {}", arguments.server, ErrorText(answers.status())));
    return ExitCodeOf(answers.status());
  }
  const absl::StatusOr<Prepared> prepared = Prepare(arguments, *answers);
  if (!prepared.ok()) {
    PrintError(std::string(prepared.status().message()));
    if (!arguments.inputs.empty()) return ExitCode::kBadInput;
    return absl::IsResourceExhausted(prepared.status()) ? ExitCode::kInternal : ExitCode::kUsage;
  }
  CatchInterrupt();
  return Bench(prepared->arguments, *connection, *client, prepared->chunk_bytes).Run(prepared->loads);
}

}  // namespace tensorferry::cli
