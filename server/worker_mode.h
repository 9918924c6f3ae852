#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/exit_code.h"

namespace tensorferry {

// The server's program is also that of its worker processes (docs/adr/0018): they are this very file, wherever it is
// installed, with other arguments.

// Returns the program of a worker process: its file, then what is its argv.
std::vector<std::string> WorkerCommandOf(const config::Config& config);

// Serves a model to the server that has started this process, if `args` are those of WorkerCommandOf. Returns nothing
// if they are not.
std::optional<ExitCode> RunAsWorker(const std::vector<std::string>& args);

}  // namespace tensorferry
