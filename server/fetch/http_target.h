#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tensorferry::fetch {

struct HttpTarget {
  std::string host;  // A name or an address, without the brackets of IPv6.
  std::uint16_t port = 0;
  std::string path = "/";
  bool tls = false;

  bool operator==(const HttpTarget&) const = default;
};

// Reads `http://HOST[:PORT][/PATH]` or `https://…`. Returns nothing for other text.
std::optional<HttpTarget> ParseHttpTarget(std::string_view url);

// Returns `http://HOST:PORT` or `https://HOST:PORT`, for the log.
std::string NameOf(const HttpTarget& target);

}  // namespace tensorferry::fetch
