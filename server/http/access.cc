#include "http/access.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/loopback.h"
#include "base/reason.h"
#include "http/error_response.h"

namespace tensorferry::http {
namespace {

Response Unauthorized(std::string_view challenge, std::string_view message, std::string_view actual) {
  return ErrorResponse({.status = 401,
                        .message = std::string(message),
                        .expected = "authorization: Bearer TOKEN",
                        .actual = std::string(actual),
                        .reason = std::string(Info(Reason::kUnauthenticated).name)},
                       {{"WWW-Authenticate", std::string(challenge)}});
}

std::optional<Response> RefuseToken(const security::Tokens& tokens, security::Roles wanted, const Request& request) {
  const std::vector<std::string_view> values = request.Values("authorization");
  const std::string_view token = values.size() == 1 ? security::BearerToken(values.front()) : std::string_view();
  if (token.empty()) {
    return Unauthorized("Bearer", "the request brings no token: send 'authorization: Bearer TOKEN', once",
                        fmt::format("{} such fields with a token", values.size() > 1 ? "several" : "no"));
  }
  const security::Roles roles = tokens.Find(token);
  if (roles.empty()) {
    return Unauthorized(R"(Bearer error="invalid_token")", "the token of the request is none of this server's",
                        "another token");
  }
  if (roles.Overlaps(wanted | security::Role::kAdmin)) return std::nullopt;
  return ErrorResponse({.status = 403,
                        .message = fmt::format("{} is for the role {}, and the token's role is {}", request.path,
                                               NamesOf(wanted), NamesOf(roles)),
                        .expected = std::string(NamesOf(wanted)),
                        .actual = std::string(NamesOf(roles)),
                        .reason = std::string(Info(Reason::kPermissionDenied).name)},
                       {{"WWW-Authenticate", R"(Bearer error="insufficient_scope")"}});
}

// Returns the host of a Host field, which is HOST or HOST:PORT: a name, an address, or an address in brackets.
std::string_view HostOf(std::string_view field) {
  const std::size_t end = field.find(':', field.starts_with('[') ? field.find(']') : 0);
  return field.substr(0, end);
}

// No browser asks without the field, which HTTP/1.0 may leave out.
std::optional<Response> RefuseHost(const std::vector<std::string>& hosts, const Request& request) {
  const std::vector<std::string_view> fields = request.Values("host");
  if (fields.empty()) return std::nullopt;
  const std::string_view host = HostOf(fields.front());
  const bool is_known = std::ranges::any_of(hosts, [&](const auto& known) { return EqualInAnyCase(known, host); });
  if (is_known || IsLoopbackHost(host)) return std::nullopt;
  return ErrorResponse(
      {.status = 421,
       .message = "the request is for another host: without tokens and TLS this port answers those for its own machine "
                  "alone, so that no page of another site can ask through a browser; --admin-host names further hosts",
       .expected = "localhost, a loopback address, or a host of --admin-host",
       .actual = std::string(host)});
}

}  // namespace

std::optional<Response> RefuseAccess(const AccessPolicy& policy, security::Roles roles, const Request& request) {
  if (roles.empty()) return std::nullopt;
  if (policy.local_hosts) {
    if (auto refusal = RefuseHost(policy.hosts, request)) return refusal;
  }
  if (policy.certificates && !request.has_certificate) {
    return ErrorResponse({.status = 403,
                          .message = fmt::format("{} is for peers with a certificate", request.path),
                          .expected = "a certificate that a CA of --tls-client-ca has signed",
                          .actual = "none",
                          .reason = std::string(Info(Reason::kPermissionDenied).name)});
  }
  return policy.tokens == nullptr ? std::nullopt : RefuseToken(*policy.tokens->Get(), roles, request);
}

}  // namespace tensorferry::http
