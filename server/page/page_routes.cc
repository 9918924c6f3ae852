#include "page/page_routes.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "http/error_response.h"
#include "http/media_type.h"
#include "page/page_files.h"

namespace tensorferry::page {
namespace {

constexpr std::string_view kDocumentPath = "/";

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

// Returns whether a peer would rather have a document than a list of paths in JSON: browsers name text/html.
bool WantsDocument(const http::Request& request) {
  constexpr auto kForms = std::to_array<http::MediaType>({{http::kJsonType, ""}, {"text/html", ""}});
  return http::ChooseMediaType(http::AcceptOf(request), kForms) == 1;
}

std::vector<http::Field> FieldsOf(const PageFile& file) {
  std::vector<http::Field> fields{
      // A browser asks each time whether the file has changed, as another version of the server may have come.
      {"Cache-Control", "no-cache"},
      {"ETag", std::string(file.etag)},
      {"Content-Security-Policy", std::string(kContentSecurityPolicy)},
      {"Cross-Origin-Opener-Policy", "same-origin"},
      {"Cross-Origin-Resource-Policy", "same-origin"},
      {"Referrer-Policy", "no-referrer"},
  };
  if (file.path == kDocumentPath) fields.push_back({"Vary", "Accept"});
  return fields;
}

http::Response Answer(const http::Request& request) {
  const auto file = std::ranges::find(PageFiles(), std::string_view(request.path), &PageFile::path);
  if (file == PageFiles().end()) {
    return http::ErrorResponse({.status = 404,
                                .message = "the page has no such part",
                                .expected = "a file that the page names",
                                .actual = request.path});
  }
  const bool has_already = HasAlready(request, file->etag);
  return {.status = has_already ? 304U : 200U,
          .content_type = std::string(file->content_type),
          .body = has_already ? std::string() : std::string(file->bytes),
          .fields = FieldsOf(*file)};
}

}  // namespace

std::vector<http::Route> PageRoutes() {
  return {
      {.path = std::string(kDocumentPath),
       .purpose = "the page, for browsers: models, figures and a playground; for others this list",
       .roles = {},
       .answer = Answer,
       .takes = WantsDocument},
      {.path = "/page/{}", .purpose = "a part of the page", .roles = {}, .answer = Answer},
  };
}

}  // namespace tensorferry::page
