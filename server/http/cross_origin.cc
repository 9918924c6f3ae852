#include "http/cross_origin.h"

#include <algorithm>
#include <string_view>

#include "http/error_response.h"

namespace tensorferry::http {
namespace {

constexpr std::string_view kAsksMethod = "access-control-request-method";
constexpr std::string_view kAsksFields = "access-control-request-headers";

// Returns the origin of the page that asks; empty if no page of a browser does, or one that browsers do not tell of.
std::string_view OriginOf(const Request& request) {
  const std::vector<std::string_view> values = request.Values("origin");
  return values.empty() ? std::string_view() : values.front();
}

bool IsListed(const std::vector<std::string>& origins, std::string_view origin) {
  return std::ranges::any_of(origins, [&](const auto& known) { return known == "*" || EqualInAnyCase(known, origin); });
}

// Whether a page of another origin has the browser ask. Browsers say so in Sec-Fetch-Site; older ones, and those that ask
// without TLS for a host other than their own machine, tell the page's origin alone. Other programs send neither. The
// origin's scheme is not compared, as a proxy may speak TLS for this port.
bool IsOfAnotherOrigin(const Request& request) {
  const std::vector<std::string_view> sites = request.Values("sec-fetch-site");
  if (!sites.empty()) return sites.front() != "same-origin" && sites.front() != "none";
  const std::string_view origin = OriginOf(request);
  if (origin.empty()) return false;
  const std::vector<std::string_view> hosts = request.Values("host");
  const std::size_t scheme = origin.find("://");
  return hosts.empty() || scheme == std::string_view::npos || !EqualInAnyCase(origin.substr(scheme + 3), hosts.front());
}

}  // namespace

std::optional<Response> AnswerForOrigin(const std::vector<std::string>& origins, const Request& request) {
  // What these methods answer a page cannot read, unless OriginFields let it.
  if (request.method == "GET" || request.method == "HEAD" || !IsOfAnotherOrigin(request)) return std::nullopt;
  const std::string_view origin = OriginOf(request);
  if (!IsListed(origins, origin)) {
    return ErrorResponse({.status = 403,
                          .message = "a browser sends the request for a page of another origin; --http-origin names "
                                     "those that may ask",
                          .expected = "a page of this port, or of an origin of --http-origin",
                          .actual = origin.empty() ? "another origin" : std::string(origin)});
  }
  if (request.method != "OPTIONS" || request.Values(kAsksMethod).empty()) return std::nullopt;
  Response allowed{.status = kNoContent, .content_type = "", .fields = OriginFields(origins, request)};
  allowed.fields.push_back({"Access-Control-Allow-Methods", "GET, HEAD, POST"});
  for (const std::string_view fields : request.Values(kAsksFields)) {
    allowed.fields.push_back({"Access-Control-Allow-Headers", std::string(fields)});
  }
  allowed.fields.push_back({"Access-Control-Max-Age", "600"});
  return allowed;
}

std::vector<Field> OriginFields(const std::vector<std::string>& origins, const Request& request) {
  if (origins.empty()) return {};
  std::vector<Field> fields{{"Vary", "Origin"}};
  const std::string_view origin = OriginOf(request);
  if (!IsListed(origins, origin)) return fields;
  fields.push_back({"Access-Control-Allow-Origin", std::string(origin)});
  fields.push_back({"Access-Control-Expose-Headers", "*"});
  return fields;
}

}  // namespace tensorferry::http
