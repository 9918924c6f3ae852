#include "fetch/http_target.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace tensorferry::fetch {
namespace {

struct Scheme {
  std::string_view prefix;
  std::uint16_t port;
  bool tls;
};

constexpr Scheme kHttp{.prefix = "http://", .port = 80, .tls = false};
constexpr Scheme kHttps{.prefix = "https://", .port = 443, .tls = true};

}  // namespace

std::optional<HttpTarget> ParseHttpTarget(std::string_view url) {
  const Scheme& scheme = url.starts_with(kHttps.prefix) ? kHttps : kHttp;
  if (!url.starts_with(scheme.prefix)) return std::nullopt;
  url.remove_prefix(scheme.prefix.size());
  const std::size_t slash = std::min(url.find('/'), url.size());
  std::string authority(url.substr(0, slash));
  const std::string_view path = url.substr(slash);
  if (path.find_first_of(" \t\r\n?#") != std::string_view::npos) return std::nullopt;
  const bool has_port = authority.find(':', authority.starts_with('[') ? authority.find(']') : 0) != std::string::npos;
  if (!has_port) authority += fmt::format(":{}", scheme.port);
  const std::optional<Address> address = ParseAddress(authority);
  if (!address || address->is_unix || address->port == 0) return std::nullopt;
  std::string_view host = address->host;
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  return HttpTarget{.host = std::string(host),
                    .port = address->port,
                    .path = path.empty() ? "/" : std::string(path),
                    .tls = scheme.tls};
}

std::string NameOf(const HttpTarget& target) {
  return fmt::format("{}{}:{}", target.tls ? kHttps.prefix : kHttp.prefix, target.host, target.port);
}

}  // namespace tensorferry::fetch
