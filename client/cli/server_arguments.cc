#include "cli/server_arguments.h"

#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include "base/status.h"
#include "cli/values.h"

namespace tensorferry::cli {
namespace {

struct TransportInfo {
  client::Transport transport;
  std::string_view name;
};

constexpr auto kTransports = std::to_array<TransportInfo>({
    {client::Transport::kAuto, "auto"},
    {client::Transport::kBytes, "bytes"},
    {client::Transport::kSealed, "sealed"},
});

// Returns the variable's value; an empty one counts as none.
std::string Variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool Given(const ServerWords& words) {
  return words.tls || !words.files.ca.empty() || !words.files.certificate.empty() || !words.files.key.empty();
}

// Adds what the environment says of TLS to what the words say. A path of the words wins.
absl::StatusOr<ServerWords> WithEnvironment(ServerWords words) {
  const std::string tls = Variable("TENSORFERRY_TLS");
  if (tls != "" && tls != "on" && tls != "off") {
    return absl::InvalidArgumentError(fmt::format("TENSORFERRY_TLS is on or off, not {}", Quote(tls)));
  }
  if (tls == "off" && !Given(words)) return ServerWords{};
  words.tls = words.tls || tls == "on";
  if (words.files.ca.empty()) words.files.ca = Variable("TENSORFERRY_CA");
  if (words.files.certificate.empty() && words.files.key.empty()) {
    words.files.certificate = Variable("TENSORFERRY_CERT");
    words.files.key = Variable("TENSORFERRY_KEY");
  }
  return words;
}

}  // namespace

void AddServerOptions(CLI::App& app, Arguments& arguments, ServerWords& words, const char* what_has_timeout) {
  // CLI11's envname would not do: every subcommand has this option, and each would overwrite the value of the others.
  app.add_option("--server", arguments.server,
                 "host:port or unix:PATH; several: ipv4:ip:port,ip:port or dns:///host:port "
                 "(default: $TENSORFERRY_SERVER, else 127.0.0.1:8001)")
      ->type_name("ADDRESS");
  app.add_option("--timeout", words.timeout, what_has_timeout)->type_name("DURATION");
  app.add_flag("--wait", arguments.wait, "wait for a server that cannot be reached, until --timeout");
  app.add_flag("--tls", words.tls, "speak TLS, which the options below imply (default: $TENSORFERRY_TLS, on or off)");
  app.add_option("--ca", words.files.ca,
                 "PEM certificates that may vouch for the server (default: $TENSORFERRY_CA, else the system's)")
      ->type_name("FILE");
  app.add_option("--cert", words.files.certificate, "PEM certificate of this client (default: $TENSORFERRY_CERT)")
      ->type_name("FILE");
  app.add_option("--key", words.files.key, "PEM private key of --cert (default: $TENSORFERRY_KEY)")->type_name("FILE");
  app.add_option("--token-file", arguments.token_file,
                 "file with the token that is sent with each call (default: the token in $TENSORFERRY_TOKEN)")
      ->type_name("FILE");
}

void AddTransportOption(CLI::App& app, ServerWords& words) {
  app.add_option("--transport", words.transport,
                 "auto (default); bytes: in messages; sealed: in sealed memory, to unix:PATH on this machine")
      ->type_name("auto|bytes|sealed");
}

absl::Status ParseServerOptions(const ServerWords& words, Arguments& arguments) {
  if (arguments.server.empty()) arguments.server = Variable("TENSORFERRY_SERVER");
  if (arguments.server.empty()) arguments.server = "127.0.0.1:8001";
  if (!words.timeout.empty()) {
    TENSORFERRY_ASSIGN_OR_RETURN(arguments.timeout, ParseTimeOption("--timeout", words.timeout, kLeastTime));
  }
  const auto transport = std::ranges::find(kTransports, words.transport, &TransportInfo::name);
  if (transport == kTransports.end()) {
    return absl::InvalidArgumentError(
        fmt::format("--transport {} is not auto, bytes or sealed", Quote(words.transport)));
  }
  arguments.transport = transport->transport;
  if (arguments.token_file.empty()) arguments.token = Variable("TENSORFERRY_TOKEN");
  if (arguments.server.starts_with("unix:")) {
    return Given(words)
               ? absl::InvalidArgumentError("--tls, --ca, --cert and --key are for servers with a host and port")
               : absl::OkStatus();
  }
  TENSORFERRY_ASSIGN_OR_RETURN(const ServerWords all, WithEnvironment(words));
  if (Given(all)) arguments.tls = all.files;
  return absl::OkStatus();
}

}  // namespace tensorferry::cli
