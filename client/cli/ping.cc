#include <fmt/format.h>

#include <cstdio>

#include "cli/commands.h"
#include "cli/json_text.h"
#include "cli/query.h"

namespace tensorferry::cli {
namespace {

using client::Health;

std::string_view HealthText(Health health) {
  switch (health) {
    case Health::kUnknown: return "UNKNOWN";
    case Health::kServing: return "SERVING";
    case Health::kNotServing: return "NOT_SERVING";
  }
  __builtin_unreachable();
}

}  // namespace

ExitCode RunPing(const Arguments& arguments) {
  const auto ask = [&](client::Client& client, std::chrono::milliseconds timeout) {
    return client.Ping(arguments.service, timeout);
  };
  const auto print = [&](Health health) {
    if (arguments.json) {
      const Json json = {{"server", arguments.server}, {"service", arguments.service}, {"status", HealthText(health)}};
      fmt::print("{}\n", JsonText(json));
    } else {
      fmt::print("{}\n", HealthText(health));
    }
    return health == Health::kServing ? ExitCode::kOk : ExitCode::kUnreachable;
  };
  return Query(arguments, ask, print, [](const absl::Status& status) {
    // A service that the server does not know does not serve.
    return absl::IsNotFound(status) ? ExitCode::kUnreachable : ExitCodeOf(status);
  });
}

}  // namespace tensorferry::cli
