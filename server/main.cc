// tensorferry-server reads its configuration, makes its objects, and serves until a signal comes.
#include <fmt/format.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "admin_port.h"
#include "base/buffer_pool.h"
#include "base/memory_budget.h"
#include "base/memory_upkeep.h"
#include "base/start_thread.h"
#include "base/status.h"
#include "config/asked_format.h"
#include "config/logging.h"
#include "config/resolve.h"
#include "credentials.h"
#include "http_port.h"
#include "inference/repository/torch_pipeline.h"
#include "options.h"
#include "process.h"
#include "rpc/metrics_step.h"
#include "rpc/self_check.h"
#include "rpc/server.h"
#include "server_metrics.h"
#include "standard_streams.h"
#include "tracing/span_exporter.h"
#include "tracing/trace_settings.h"
#include "worker_mode.h"

namespace tensorferry {
namespace {

// Idle buffers may hold the memory budget divided by kIdleShare.
constexpr std::uint64_t kIdleShare = 4;

// How long the last answers over HTTP may take at least to get to their callers, whatever is left of the drain grace.
constexpr std::chrono::milliseconds kLastHttpAnswers{200};

// How long the end waits for the collector of spans.
constexpr std::chrono::milliseconds kMostFlush{2000};

void LogBuffers(const BufferPool::Stats& stats, std::uint64_t freed) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  spdlog::debug("buffers: {} taken, {} of them reused, {} KiB idle, {} KiB given back; {} minor faults", stats.taken,
                stats.reused, stats.idle_bytes >> 10, freed >> 10, usage.ru_minflt);
}

// Waits for nobody: if standard output takes nothing now, as a full pipe, another thread prints when it does. A server that
// is ready serves, whether or not the line can be printed.
void PrintReadyLine(const std::vector<std::string>& addresses, const http::Server* admin, const http::Server* web,
                    std::FILE* output) {
  std::string line = "tensorferry-server ready";
  for (const std::string& address : addresses) line += fmt::format(" grpc={}", address);
  line += fmt::format(" admin={}", admin == nullptr ? "off" : admin->address());
  if (web != nullptr) line += fmt::format(" http={}", web->address());
  line += '\n';
  const auto print = [line, output] {
    if (std::fputs(line.c_str(), output) < 0 || std::fflush(output) != 0) {
      spdlog::warn("the ready line cannot be printed on standard output: {}", strerror(errno));
    }
  };
  pollfd writable{fileno(output), POLLOUT, 0};
  if (poll(&writable, 1, 0) != 0) return print();
  try {
    StartThread("printing the ready line", print).detach();
  } catch (const NoThread& error) {
    spdlog::warn("the ready line is not printed, as standard output takes nothing now: {}", error.what());
  }
}

void TellReady(const rpc::Server& server, const http::Server* admin, const http::Server* web, Process& process) {
  PrintReadyLine(server.addresses(), admin, web, process.streams().output());
  process.manager().TellReady("serving");
}

// Says that the process stops. A second SIGTERM or SIGINT ends it at once from now on.
void BeginStop(int signal, rpc::SelfCheck& self_check, Process& process) {
  self_check.Stop();
  process.EndAtSecondSignal(signal);
  process.manager().TellStopping("finishing the requests in progress");
  if (signal != StopSignals::kInterrupted) spdlog::info("{}: stopping", strsignal(signal));
}

// Announces NOT_SERVING, serves on for the drain delay, and then lets requests in progress finish.
void Drain(const config::Config& config, rpc::Server& server, const HttpPort& http_port) {
  server.AnnounceStop();
  std::this_thread::sleep_for(config.drain_delay);
  http_port.BeginDrain();
  const auto deadline = std::chrono::steady_clock::now() + config.drain_grace;
  const bool all_answered = server.Stop(deadline);
  // Calls over HTTP have ended with the others, but their answers may be on their way.
  const auto last = std::max(deadline, std::chrono::steady_clock::now() + kLastHttpAnswers);
  if (!http_port.AwaitAnswers(last) || !all_answered) {
    spdlog::warn("requests were still running after the drain grace of {} ms; they were cut off",
                 config.drain_grace.count());
  }
}

// Returns what SIGHUP does beside reading files of secrets again; empty: nothing.
std::function<void()> OnHangUp(const config::Config& config, inference::RepositoryControl& repository) {
  if (config.model_control != inference::ModelControl::kPoll) return nullptr;
  return [&repository] {
    spdlog::info("SIGHUP: looking at the model repository");
    repository.LookAtRepository();
  };
}

using WaitForStop = std::function<int()>;  // Returns as StopSignals::Wait does.

enum class Loaded { kYes, kNo, kStopped, kDeaf };

// Loads the models. This may take long, and a signal stops it, or SelfCheck, which interrupts the wait, too.
Loaded LoadModels(inference::RepositoryControl& repository, const WaitForStop& wait_for_stop) {
  // Shared, because it must outlive a load that a signal has stopped.
  const auto loaded = std::make_shared<std::atomic<Loaded>>(Loaded::kDeaf);
  repository.LoadModels([loaded](const absl::Status& status) {
    *loaded = status.ok() ? Loaded::kYes : Loaded::kNo;
    StopSignals::Interrupt();
  });
  if (wait_for_stop() != StopSignals::kInterrupted) return Loaded::kStopped;
  return *loaded;
}

void EndUnlessLoaded(Loaded loaded, Process& process) {
  switch (loaded) {
    case Loaded::kYes: return;
    case Loaded::kNo: process.End(ExitCode::kModelLoad);  // The load has logged the reason.
    case Loaded::kStopped: process.End(ExitCode::kOk);
    case Loaded::kDeaf: process.End(ExitCode::kDeaf);
  }
}

// Makes what exports spans, if OpenTelemetry's variables name a collector. Null: nothing is traced.
std::unique_ptr<tracing::SpanExporter> MakeSpanExporter() {
  auto [settings, warnings] = tracing::ReadTraceSettings(std::getenv, TENSORFERRY_VERSION);
  for (const std::string& warning : warnings) spdlog::warn("tracing: {}", warning);
  if (!settings.enabled()) return nullptr;
  spdlog::info("tracing: spans go to {}", NameOf(settings.collector));
  return std::make_unique<tracing::SpanExporter>(std::move(settings));
}

// `spans` is null where none are exported.
void Flush(tracing::SpanExporter* spans) {
  if (spans == nullptr) return;
  spans->Flush(kMostFlush);
  spdlog::info("tracing: the collector has taken the spans of {} requests, and those of {} were dropped",
               spans->exported(), spans->dropped());
}

ExitCode Fail(ExitCode code, const absl::Status& error) {
  spdlog::error("{}", std::string(error.message()));
  return code;
}

ExitCode Serve(const config::Resolved& resolved) {
  const config::Config& config = resolved.config;
  Process process;
  auto credentials = Credentials::Load(config);
  if (!credentials.ok()) return Fail(ExitCode::kCredentials, credentials.status());
  MemoryBudget budget(config.memory_budget, {.percent = static_cast<std::uint64_t>(config.peer_share)});
  BufferPool pool(budget, config.memory_budget / kIdleShare);
  const MemoryUpkeep upkeep(pool, LogBuffers);
  const auto pipeline = inference::MakeTorchPipeline(RepositoryOptionsOf(config), pool);
  if (!pipeline.ok()) return Fail(ExitCode::kConfiguration, pipeline.status());
  const auto counts = rpc::MakeRequestCounts();
  rpc::RecentCalls recent_calls;
  const auto spans = MakeSpanExporter();
  const auto options = ServerOptionsOf(config, *credentials, {counts.get(), &recent_calls, spans.get()});
  const auto server = rpc::Server::Start(options, **pipeline, pool);
  if (!server.ok()) return Fail(ExitCode::kCannotListen, server.status());
  rpc::SelfCheck self_check((*server)->addresses(), config.self_check, StopSignals::Interrupt);
  PortRefusals refusals;
  const ServerMetrics metrics({*counts, pool, **pipeline, *credentials, **server, self_check, refusals, spans.get()});
  const auto admin_port =
      StartAdminPort({resolved, *credentials, **server, self_check, recent_calls, metrics.source(), &refusals.admin});
  if (!admin_port.ok()) return Fail(ExitCode::kCannotListen, admin_port.status());
  const auto http_port =
      StartHttpPort({config, *credentials, **server, pool, recent_calls, metrics.source(), &refusals.http});
  if (!http_port.ok()) return Fail(ExitCode::kCannotListen, http_port.status());
  const WaitForStop wait_for_stop = [&, on_hang_up = OnHangUp(config, **pipeline)] {
    return credentials->WaitForStop(process.signals(), process.manager(), on_hang_up);
  };
  process.manager().TellStatus("loading models");
  EndUnlessLoaded(LoadModels(**pipeline, wait_for_stop), process);
  (*server)->AnnounceReady();
  spdlog::info("serving with a memory budget of {} MiB and at most {} open files", budget.limit() >> 20,
               process.most_files());
  TellReady(**server, admin_port->get(), http_port->server(), process);
  const int signal = wait_for_stop();
  BeginStop(signal, self_check, process);
  Drain(config, **server, *http_port);
  Flush(spans.get());
  spdlog::info("stopped");
  process.End(signal == StopSignals::kInterrupted ? ExitCode::kDeaf : ExitCode::kOk);
}

// Ends without a Config, which has an error, so that the log is not set up: asked for in JSON, it has the error as its
// only line.
ExitCode Tell(const config::Exit& exit, config::LogFormat format) {
  if (exit.code == ExitCode::kOk) {
    fmt::print("{}", exit.text);
  } else if (format == config::LogFormat::kJson) {
    config::SetUpLogging(config::LogLevel::kError, format);
    spdlog::error("{}", exit.text);
    spdlog::default_logger_raw()->flush();
  } else {
    fmt::print(stderr, "tensorferry-server: {}\n", exit.text);
  }
  return exit.code;
}

ExitCode Main(const std::vector<std::string>& args, const config::Environment& environment) {
  if (const auto exit = RunAsWorker(args)) return *exit;
  const auto resolved = config::Resolve(args, environment, TENSORFERRY_VERSION);
  if (const auto* const exit = std::get_if<config::Exit>(&resolved)) {
    return Tell(*exit, config::AskedLogFormat(args, environment));
  }
  const auto& to_serve = std::get<config::Resolved>(resolved);
  config::SetUpLogging(to_serve.config.log_level, to_serve.config.log_format);
  for (const std::string& warning : to_serve.warnings) spdlog::warn("{}", warning);
  return Serve(to_serve);
}

}  // namespace
}  // namespace tensorferry

int main(int argc, char** argv) {
  tensorferry::OpenClosedDescriptors();
  try {
    const auto environment = tensorferry::config::OwnEnvironment(environ);
    return static_cast<int>(tensorferry::Main({argv + 1, argv + argc}, environment));
  } catch (const tensorferry::NoThread& error) {
    spdlog::error("{}", error.what());
    spdlog::default_logger_raw()->flush();
    return static_cast<int>(tensorferry::ExitCode::kNoThread);
  } catch (const std::exception& error) {
    fmt::print(stderr, "tensorferry-server: internal error: {}\n", error.what());
    return static_cast<int>(tensorferry::ExitCode::kInternal);
  }
}
