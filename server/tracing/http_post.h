#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace tensorferry::tracing {

struct HttpTarget {
  std::string host;  // A name or an address, without the brackets of IPv6.
  std::uint16_t port = 0;
  std::string path = "/";

  bool operator==(const HttpTarget&) const = default;
};

// Reads `http://HOST[:PORT][/PATH]`. Returns nothing for other text, `https:` among it.
std::optional<HttpTarget> ParseHttpTarget(std::string_view url);

// Returns `http://HOST:PORT`, for the log.
std::string NameOf(const HttpTarget& target);

struct HttpRequest {
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;  // JSON.
};

struct HttpAnswer {
  unsigned int status;
  std::chrono::seconds retry_after{0};  // 0: the answer does not say.
};

// Sends one POST on a connection of its own, and returns the answer. It takes at most `timeout`, beside the time in which
// the system finds a name's address.
// Errors: UNAVAILABLE, with the reason.
absl::StatusOr<HttpAnswer> Post(const HttpTarget& target, const HttpRequest& request,
                                std::chrono::milliseconds timeout);

}  // namespace tensorferry::tracing
