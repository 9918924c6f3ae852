#include "cli/connect.h"

#include "base/status.h"

namespace tensorferry::cli {

absl::StatusOr<client::ConnectOptions> ConnectOptionsOf(const Arguments& arguments) {
  client::ConnectOptions options;
  if (!arguments.tls) return options;
  TENSORFERRY_ASSIGN_OR_RETURN(options.tls, client::ReadTlsFiles(*arguments.tls));
  return options;
}

absl::StatusOr<client::Client> Connect(const Arguments& arguments) {
  TENSORFERRY_ASSIGN_OR_RETURN(const client::ConnectOptions options, ConnectOptionsOf(arguments));
  return client::Client::Connect(arguments.server, options);
}

}  // namespace tensorferry::cli
