#include "page/page_routes.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "page/page_files.h"

namespace tensorferry::page {
namespace {

// The page loads nothing but its own files, asks this server alone, makes no markup of text, and stands in no frame.
constexpr std::string_view kContentSecurityPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

// Returns whether the peer has the content that the tag names (RFC 9110, 13.1.2).
bool HasAlready(const http::Request& request, std::string_view etag) {
  return std::ranges::any_of(request.Values("If-None-Match"), [etag](std::string_view value) {
    return value == "*" || value.find(etag) != std::string_view::npos;
  });
}

std::vector<http::Field> FieldsOf(const PageFile& file) {
  return {
      // A browser asks each time whether the file has changed, as another version of the server may have come.
      {"Cache-Control", "no-cache"},
      {"ETag", std::string(file.etag)},
      {"Content-Security-Policy", std::string(kContentSecurityPolicy)},
      {"Cross-Origin-Opener-Policy", "same-origin"},
      {"Cross-Origin-Resource-Policy", "same-origin"},
      {"Referrer-Policy", "no-referrer"},
      {"X-Content-Type-Options", "nosniff"},
  };
}

http::Response Answer(const PageFile& file, const http::Request& request) {
  const bool has_already = HasAlready(request, file.etag);
  return {.status = has_already ? 304U : 200U,
          .content_type = std::string(file.content_type),
          .body = has_already ? std::string() : std::string(file.bytes),
          .fields = FieldsOf(file)};
}

}  // namespace

std::vector<http::Route> PageRoutes() {
  std::vector<http::Route> routes;
  for (const PageFile& file : PageFiles()) {
    routes.push_back({.path = std::string(file.path),
                      .purpose = file.path == "/" ? "the page: models, figures and a playground" : "a part of the page",
                      .roles = {},
                      .answer = [&file](const http::Request& request) { return Answer(file, request); }});
  }
  return routes;
}

}  // namespace tensorferry::page
