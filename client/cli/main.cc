#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/terminal.h"

namespace tensorferry::cli {
namespace {

ExitCode Run(const Arguments& arguments) {
  switch (arguments.command) {
    case Command::kHelp: fmt::print("{}", arguments.help); return ExitCode::kOk;
    case Command::kConvert:
    case Command::kInfer: return RunConvert(arguments);
    case Command::kInspect: return RunInspect(arguments);
    case Command::kModels: return RunModels(arguments);
    case Command::kModel: return RunModel(arguments);
    case Command::kStats: return RunStats(arguments);
    case Command::kTop: return RunTop(arguments);
    case Command::kLoad: return RunLoad(arguments);
    case Command::kUnload: return RunUnload(arguments);
    case Command::kInfo: return RunInfo(arguments);
    case Command::kPing: return RunPing(arguments);
    case Command::kBench: return RunBench(arguments);
    case Command::kVersion: fmt::print("tensorferry {}\n", TENSORFERRY_VERSION); return ExitCode::kOk;
  }
  __builtin_unreachable();
}

ExitCode Main(const std::vector<std::string>& words) {
  const absl::StatusOr<Arguments> arguments = ParseArguments(words);
  if (arguments.ok()) return Run(*arguments);
  PrintError(std::string(arguments.status().message()));
  return ExitCode::kUsage;
}

// Finish brings what was printed to standard output, and returns the exit code: a caller must not take a part of it for
// all of it.
ExitCode Finish(ExitCode code) {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
  const std::string reason = errno == 0 ? "" : fmt::format(": {}", std::strerror(errno));
  PrintError("internal error: cannot write to standard output" + reason);
  return ExitCode::kInternal;
}

}  // namespace
}  // namespace tensorferry::cli

int main(int argc, char** argv) {
  // gRPC would write lines of its own beside the message, which has its words. Who wants them sets the variable.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  try {
    return static_cast<int>(tensorferry::cli::Finish(tensorferry::cli::Main({argv + 1, argv + argc})));
  } catch (const std::exception& error) {
    tensorferry::cli::PrintError(fmt::format("internal error: {}", error.what()));
    return static_cast<int>(tensorferry::cli::ExitCode::kInternal);
  }
}
