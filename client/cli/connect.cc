#include "cli/connect.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "base/status.h"

namespace tensorferry::cli {
namespace {

// Reads the file's only line.
absl::StatusOr<std::string> ReadToken(const std::string& path) {
  std::ifstream file(path);
  std::string token, more;
  if (!std::getline(file, token)) {
    return absl::InvalidArgumentError(fmt::format("{}: cannot be read, or is empty", path));
  }
  if (token.ends_with('\r')) token.pop_back();
  const bool has_token = !token.empty() && std::ranges::all_of(token, [](char c) { return c > ' ' && c < '\x7f'; });
  if (has_token && !std::getline(file, more)) return token;
  return absl::InvalidArgumentError(fmt::format("{}: expected one line with a token, without blanks", path));
}

}  // namespace

absl::StatusOr<client::ConnectOptions> ConnectOptionsOf(const Arguments& arguments) {
  client::ConnectOptions options{
      .token = arguments.token, .transport = arguments.transport, .wait_for_ready = arguments.wait};
  if (!arguments.token_file.empty()) {
    TENSORFERRY_ASSIGN_OR_RETURN(options.token, ReadToken(arguments.token_file));
  }
  if (arguments.tls) {
    TENSORFERRY_ASSIGN_OR_RETURN(options.tls, client::ReadTlsFiles(*arguments.tls));
  }
  return options;
}

absl::StatusOr<client::Client> Connect(const Arguments& arguments) {
  TENSORFERRY_ASSIGN_OR_RETURN(const client::ConnectOptions options, ConnectOptionsOf(arguments));
  return client::Client::Connect(arguments.server, options);
}

}  // namespace tensorferry::cli
