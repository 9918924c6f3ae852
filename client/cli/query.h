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

// Query asks a server with `ask(client, timeout)`, then calls `print(answer)`, which returns the exit code. That of a
// call that failed is `failed(status)`.
template <typename Ask, typename Print>
ExitCode Query(const Arguments& arguments, Ask ask, Print print, ExitCode (*failed)(const absl::Status&) = ExitCodeOf) {
  absl::StatusOr<client::Client> client = Connect(arguments);
  if (!client.ok()) {
    PrintError(std::string(client.status().message()));
    return ExitCode::kUsage;
  }
  const bool has_timeout = arguments.timeout.count() > 0;
  const auto answer = ask(*client, has_timeout ? arguments.timeout : client::Client::kQueryTimeout);
  if (!answer.ok()) {
    PrintError(fmt::format("{}: {}", arguments.server, ErrorText(answer.status())));
    return failed(answer.status());
  }
  return print(*answer);
}

}  // namespace tensorferry::cli
