#include "worker_mode.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <string_view>

#include "base/memory_upkeep.h"
#include "config/logging.h"
#include "crash_signals.h"
#include "inference/isolation/worker_loop.h"
#include "inference/repository/torch_pipeline.h"
#include "standard_streams.h"

namespace tensorferry {
namespace {

// No flag of the server's: it stands first, and what follows are numbers.
constexpr std::string_view kWorkerMode = "--model-worker";

std::string NumberOf(auto value) { return fmt::to_string(static_cast<int>(value)); }

}  // namespace

std::vector<std::string> WorkerCommandOf(const config::Config& config) {
  return {"/proc/self/exe", "tensorferry-server", std::string(kWorkerMode), NumberOf(config.log_level),
          NumberOf(config.log_format)};
}

std::optional<ExitCode> RunAsWorker(const std::vector<std::string>& args) {
  if (args.size() != 3 || args.front() != kWorkerMode) return std::nullopt;
  config::SetUpLogging(static_cast<config::LogLevel>(std::stoi(args[1])),
                       static_cast<config::LogFormat>(std::stoi(args[2])));
  const StandardStreams streams;
  const CrashSignals crashes;
  KeepMallocMemory();
  inference::PrepareTorch();
  inference::RunWorker();
  spdlog::default_logger_raw()->flush();
  std::_Exit(0);  // Destroys nothing: torch's threads may still run.
}

}  // namespace tensorferry
