#pragma once

#include <fmt/format.h>

#include <chrono>
#include <string>

#include "cli/arguments.h"
#include "cli/connect.h"
#include "cli/exit_code.h"
#include "cli/outcome.h"
#include "cli/terminal.h"
#include "tensorferry/client/client.h"

namespace tensorferry::cli {

// Query asks a server about itself with `ask(client, timeout)`, then calls `print(answer)`, which returns the exit
// code.
template <typename Ask, typename Print>
ExitCode Query(const Arguments& arguments, Ask ask, Print print) {
  absl::StatusOr<client::Client> client = Connect(arguments);
  if (!client.ok()) {
    PrintError(std::string(client.status().message()));
    return ExitCode::kUsage;
  }
  const bool has_timeout = arguments.timeout.count() > 0;
  const auto answer = ask(*client, has_timeout ? arguments.timeout : client::Client::kQueryTimeout);
  if (!answer.ok()) {
    PrintError(fmt::format("{}: {}", arguments.server, ErrorText(answer.status())));
    // NOT_FOUND means "does not serve": ping alone asks for something by its name.
    const bool unknown_service = absl::IsNotFound(answer.status());
    return unknown_service ? ExitCode::kUnreachable : ExitCodeOf(answer.status());
  }
  return print(*answer);
}

}  // namespace tensorferry::cli
