#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "tracing/http_target.h"

namespace tensorferry::tracing {

struct HttpRequest {
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;     // JSON.
  std::string ca_file;  // Holds the CAs that may sign a target's certificate, as PEM. Empty: those of the system.
};

struct HttpAnswer {
  unsigned int status;
  std::chrono::seconds retry_after{0};  // 0: the answer does not say.
};

// Sends one POST on a connection of its own, and returns the answer. It takes at most `timeout`, beside the time in which
// the system finds a name's address. With TLS the target shows a certificate for its host.
// Errors: UNAVAILABLE, with the reason.
absl::StatusOr<HttpAnswer> Post(const HttpTarget& target, const HttpRequest& request,
                                std::chrono::milliseconds timeout);

}  // namespace tensorferry::tracing
