#include "http/access.h"

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "http/error_response.h"

namespace tensorferry::http {
namespace {

Response Unauthorized(std::string_view challenge, std::string_view message, std::string_view actual) {
  return ErrorResponse({.status = 401,
                        .message = std::string(message),
                        .expected = "authorization: Bearer TOKEN",
                        .actual = std::string(actual)},
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
                        .actual = std::string(NamesOf(roles))},
                       {{"WWW-Authenticate", R"(Bearer error="insufficient_scope")"}});
}

}  // namespace

std::optional<Response> RefuseAccess(const AccessPolicy& policy, security::Roles roles, const Request& request) {
  if (roles.empty()) return std::nullopt;
  if (policy.certificates && !request.has_certificate) {
    return ErrorResponse({.status = 403,
                          .message = fmt::format("{} is for peers with a certificate", request.path),
                          .expected = "a certificate that a CA of --tls-client-ca has signed",
                          .actual = "none"});
  }
  return policy.tokens == nullptr ? std::nullopt : RefuseToken(*policy.tokens->Get(), roles, request);
}

}  // namespace tensorferry::http
