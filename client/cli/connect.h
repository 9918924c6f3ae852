#pragma once

#include "absl/status/statusor.h"
#include "cli/arguments.h"
#include "tensorferry/client/client.h"

namespace tensorferry::cli {

// ConnectOptionsOf says how to connect to the server of the arguments. It reads the files that they name.
// Errors: INVALID_ARGUMENT with one line for files that cannot be used, and for TLS over a Unix socket.
absl::StatusOr<client::ConnectOptions> ConnectOptionsOf(const Arguments& arguments);

// Connect makes a client for the server of the arguments. No connection is made yet.
// Errors: those of ConnectOptionsOf and Client::Connect.
absl::StatusOr<client::Client> Connect(const Arguments& arguments);

}  // namespace tensorferry::cli
