#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "fetch/http_target.h"

namespace tensorferry::fetch {

struct HttpRequest {
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;     // JSON, which is posted. Empty: the request is a GET.
  std::string ca_file;  // Holds the CAs that may sign a target's certificate, as PEM, and is read for each request.
  std::string ca;       // Or their text. Both are empty: the CAs are those of the system.
  // The certificate with which the request shows who asks, and its key, as PEM. Empty: it shows none.
  std::string certificate;
  std::string key;
  std::uint64_t most_answer_bytes = 64 << 10;
};

struct HttpAnswer {
  unsigned int status;
  std::chrono::seconds retry_after{0};  // 0: the answer does not say.
  std::string body;
};

// Sends one request on a connection of its own, and returns the answer. It takes at most `timeout`, beside the time in
// which the system finds a name's address. With TLS the target shows a certificate for its host.
// Errors: UNAVAILABLE, with the reason.
absl::StatusOr<HttpAnswer> Send(const HttpTarget& target, const HttpRequest& request,
                                std::chrono::milliseconds timeout);

}  // namespace tensorferry::fetch
