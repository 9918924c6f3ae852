// tensorferry-server: flags → config → objects → serve until a signal.
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "base/buffer_pool.h"
#include "base/bus_errors.h"
#include "base/memory_budget.h"
#include "base/memory_upkeep.h"
#include "base/status.h"
#include "config/exit_code.h"
#include "config/logging.h"
#include "config/resolve.h"
#include "inference/repository/scratch_folder.h"
#include "inference/repository/torch_pipeline.h"
#include "rpc/server.h"
#include "rpc/triton_config/model_config_text.h"

namespace tensorferry {
namespace {

// Of the memory budget, buffers that nobody uses keep this fraction at most.
constexpr std::uint64_t kIdleShare = 4;

// SIGTERM and SIGINT, taken by the threads that wait for them and by no other.
class StopSignals {
 public:
  static constexpr int kInterrupted = 0;

  // Before the first thread is started: threads inherit the mask.
  StopSignals() {
    std::signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set_);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGRTMIN);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }

  // The signal; kInterrupted after Interrupt.
  int Wait() const {
    int signal = 0;
    sigwait(&set_, &signal);
    return signal == SIGRTMIN ? kInterrupted : signal;
  }

  // Have a thread that waits go on. Any thread.
  static void Interrupt() { kill(getpid(), SIGRTMIN); }

 private:
  sigset_t set_;
};

inference::RepositoryOptions RepositoryOptions(const config::Config& config) {
  return {.folder = config.model_dir,
          .files = config.models,
          .control = config.model_control,
          .load = config.load_model,
          .poll_interval = config.model_poll_interval,
          .strict_start = config.strict_start,
          .loader = {.device = config.device,
                     .model_threads = config.model_threads,
                     .intra_op_threads = config.intra_op_threads,
                     .max_tensor_bytes = config.max_tensor_bytes},
          .read_config = rpc::ReadModelConfig};
}

rpc::ServerOptions ServerOptions(const config::Config& config) {
  return {.listen = config.listen,
          .max_message_bytes = config.max_message_bytes,
          .max_tensor_bytes = config.max_tensor_bytes,
          .threads = config.threads,
          .compression = config.compression,
          .shared_memory = config.shared_memory == config::SharedMemory::kSystem,
          .model_overrides = config.model_overrides,
          .reflection = config.reflection,
          .torch_version = inference::TorchVersion()};
}

void LogBuffers(const BufferPool::Stats& stats, std::uint64_t freed) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  spdlog::debug("buffers: {} taken, {} of them reused, {} KiB idle, {} KiB given back; {} minor faults", stats.taken,
                stats.reused, stats.idle_bytes >> 10, freed >> 10, usage.ru_minflt);
}

void PrintReadyLine(const std::vector<std::string>& addresses) {
  std::string line = "tensorferry-server ready";
  for (const std::string& address : addresses) line += fmt::format(" grpc={}", address);
  fmt::print("{} admin=off\n", line);
  std::fflush(stdout);
}

// NOT_SERVING, then serve on for the drain delay, then let what is in progress finish. A second signal ends it at once.
void Drain(const config::Config& config, const StopSignals& signals, rpc::Server& server,
           inference::ScratchFolder& scratch) {
  std::thread([signals, &scratch] {
    const int signal = signals.Wait();
    scratch.Remove();
    std::_Exit(128 + signal);
  }).detach();
  server.AnnounceStop();
  std::this_thread::sleep_for(config.drain_delay);
  if (!server.Stop(std::chrono::steady_clock::now() + config.drain_grace)) {
    spdlog::warn("requests were still running after the drain grace of {} ms; they were cut off",
                 config.drain_grace.count());
  }
}

// Every call has ended and every log line is written. What is left is gRPC's own shutdown, which now and then waits ten
// seconds for a poller of its own that sleeps that long, and only gives back what the system takes back anyway.
[[noreturn]] void EndProcess(ExitCode code, inference::ScratchFolder& scratch) {
  scratch.Remove();
  spdlog::shutdown();
  std::_Exit(static_cast<int>(code));
}

enum class Loaded { kYes, kNo, kStopped };

// Models may take long to load: a signal ends that, too.
Loaded LoadModels(inference::RepositoryControl& repository, const StopSignals& signals) {
  const auto ok = std::make_shared<std::atomic<bool>>(false);  // Outlives a loading that was stopped.
  repository.LoadModels([ok](const absl::Status& status) {
    *ok = status.ok();
    StopSignals::Interrupt();
  });
  if (signals.Wait() != StopSignals::kInterrupted) return Loaded::kStopped;
  return *ok ? Loaded::kYes : Loaded::kNo;
}

ExitCode Serve(const config::Config& config) {
  const StopSignals signals;
  const BusErrorHandler bus_errors;
  inference::PrepareProcess();
  inference::ScratchFolder scratch;
  MemoryBudget budget(config.memory_budget);
  BufferPool pool(budget, config.memory_budget / kIdleShare);
  const MemoryUpkeep upkeep(pool, LogBuffers);
  const auto pipeline = inference::MakeTorchPipeline(RepositoryOptions(config), pool);
  if (!pipeline.ok()) {
    spdlog::error("{}", DescribeError(pipeline.status()).message);
    return ExitCode::kConfiguration;
  }
  const auto server = rpc::Server::Start(ServerOptions(config), **pipeline, pool);
  if (!server.ok()) {
    spdlog::error("{}", std::string(server.status().message()));
    return ExitCode::kCannotListen;
  }
  switch (LoadModels(**pipeline, signals)) {
    case Loaded::kYes: break;
    case Loaded::kNo: EndProcess(ExitCode::kModelLoad, scratch);  // Logged with its reason where it was loaded.
    case Loaded::kStopped: EndProcess(ExitCode::kOk, scratch);
  }
  (*server)->AnnounceReady();
  PrintReadyLine((*server)->addresses());
  spdlog::info("serving with a memory budget of {} MiB", budget.limit() >> 20);

  spdlog::info("{}: stopping", strsignal(signals.Wait()));
  Drain(config, signals, **server, scratch);
  spdlog::info("stopped");
  EndProcess(ExitCode::kOk, scratch);
}

ExitCode Main(const std::vector<std::string>& args, const config::Environment& environment) {
  const auto resolved = config::Resolve(args, environment, TENSORFERRY_VERSION);
  if (const auto* const exit = std::get_if<config::Exit>(&resolved)) {
    fmt::print(exit->code == ExitCode::kOk ? stdout : stderr, "{}", exit->text);
    return exit->code;
  }
  const auto& [config, sources, warnings] = std::get<config::Resolved>(resolved);
  config::SetUpLogging(config.log_level, config.log_format);
  for (const std::string& warning : warnings) spdlog::warn("{}", warning);
  return Serve(config);
}

}  // namespace
}  // namespace tensorferry

int main(int argc, char** argv) {
  tensorferry::KeepMallocMemory();
  try {
    const auto environment = tensorferry::config::OwnEnvironment(environ);
    return static_cast<int>(tensorferry::Main({argv + 1, argv + argc}, environment));
  } catch (const std::exception& error) {
    fmt::print(stderr, "tensorferry-server: internal error: {}\n", error.what());
    return static_cast<int>(tensorferry::ExitCode::kInternal);
  }
}
