#include "http/content_coding.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "http/error_response.h"
#include "http/media_type.h"

namespace tensorferry::http {
namespace {

constexpr std::string_view kContentEncoding = "content-encoding";

// Returns nothing for a coding that is not known.
std::optional<Coding> CodingByName(std::string_view name) {
  if (EqualInAnyCase(name, "x-gzip")) return Coding::kGzip;  // RFC 9110, 8.4.1.3.
  for (const Coding coding : {Coding::kIdentity, Coding::kGzip, Coding::kDeflate}) {
    if (EqualInAnyCase(name, NameOf(coding))) return coding;
  }
  return std::nullopt;
}

// Returns the values of a request's Content-Encoding that say something.
std::vector<std::string_view> CodingsNamed(const Request& request) {
  std::vector<std::string_view> values = request.Values(kContentEncoding);
  std::erase_if(values, [](std::string_view value) { return CodingByName(value) == Coding::kIdentity; });
  return values;
}

}  // namespace

std::string_view NameOf(Coding coding) {
  switch (coding) {
    case Coding::kIdentity: return "identity";
    case Coding::kGzip: return "gzip";
    case Coding::kDeflate: return "deflate";
  }
  __builtin_unreachable();
}

std::optional<Response> RefuseCoding(const CodingPolicy& policy, const Request& head) {
  const std::vector<std::string_view> values = CodingsNamed(head);
  if (values.empty() || head.method == "GET" || head.method == "HEAD") return std::nullopt;
  if (policy.pool == nullptr) {
    return ErrorResponse({.status = 415,
                          .message = "compressed bodies are not taken: the server was not started with --http-gzip",
                          .expected = "a body without content-encoding",
                          .actual = std::string(values.front())},
                         {{"Accept-Encoding", "identity"}});
  }
  if (values.size() == 1 && CodingByName(values.front())) return std::nullopt;
  return ErrorResponse({.status = 415,
                        .message = "bodies are taken as they are, or in one of two codings",
                        .expected = "content-encoding: gzip, or deflate",
                        .actual = fmt::format("{}{}", values.front(), values.size() > 1 ? ", and more" : "")},
                       {{"Accept-Encoding", "gzip, deflate"}});
}

Coding CodingOf(const Request& request) {
  const std::vector<std::string_view> values = CodingsNamed(request);
  return values.empty() ? Coding::kIdentity : CodingByName(values.front()).value_or(Coding::kIdentity);
}

Coding AcceptedCoding(const Request& request) {
  constexpr std::array kOffered{Coding::kIdentity, Coding::kGzip, Coding::kDeflate};
  std::string accept;
  for (const std::string_view value : request.Values("accept-encoding")) {
    accept.append(accept.empty() ? "" : ",").append(value);
  }
  // Codings are chosen by the rules for media types: names, `*` for all, and qualities (RFC 9110, 12.5.3).
  std::vector<MediaType> offered;
  for (const Coding coding : kOffered) offered.push_back({NameOf(coding), ""});
  return accept.empty() ? Coding::kIdentity : kOffered.at(ChooseMediaType(accept, offered));
}

}  // namespace tensorferry::http
