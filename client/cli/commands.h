#pragma once

#include "cli/arguments.h"
#include "cli/exit_code.h"

namespace tensorferry::cli {

// Each command writes results to standard output and messages to standard error.
ExitCode RunConvert(const Arguments& arguments);
ExitCode RunInspect(const Arguments& arguments);
ExitCode RunModels(const Arguments& arguments);
ExitCode RunModel(const Arguments& arguments);
ExitCode RunStats(const Arguments& arguments);
ExitCode RunTop(const Arguments& arguments);
ExitCode RunLoad(const Arguments& arguments);
ExitCode RunUnload(const Arguments& arguments);
ExitCode RunInfo(const Arguments& arguments);
ExitCode RunPing(const Arguments& arguments);
ExitCode RunBench(const Arguments& arguments);

}  // namespace tensorferry::cli
