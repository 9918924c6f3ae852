// The options that say which server a subcommand talks to, and how.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "cli/arguments.h"

namespace CLI {
class App;
}

namespace tensorferry::cli {

// ServerWords holds the options that are still text, to be parsed.
struct ServerWords {
  std::string timeout;
  bool tls = false;
  client::TlsFiles files;
  std::string transport = "auto";
};

// AddServerOptions adds the options to a subcommand.
void AddServerOptions(CLI::App& app, Arguments& arguments, ServerWords& words, const char* what_has_timeout);

// AddTransportOption adds the option of commands that send arrays.
void AddTransportOption(CLI::App& app, ServerWords& words);

// ParseServerOptions sets what the options say, or the environment where they say nothing. The environment asks for TLS
// only of servers with a host and a port, as Unix sockets have none.
// Errors: INVALID_ARGUMENT with one line.
absl::Status ParseServerOptions(const ServerWords& words, Arguments& arguments);

}  // namespace tensorferry::cli
