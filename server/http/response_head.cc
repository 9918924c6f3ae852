#include "http/response_head.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/http/status.hpp>
#include <iterator>
#include <string_view>

namespace tensorferry::http {
namespace {

bool HasField(const Response& response, std::string_view name) {
  return std::ranges::any_of(response.fields, [&](const Field& field) { return EqualInAnyCase(field.name, name); });
}

bool EndsNoLine(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) == text.npos; }

}  // namespace

std::uint64_t BodyBytes(const Response& response) {
  std::uint64_t nbytes = response.body.size();
  for (const std::string_view piece : response.pieces) nbytes += piece.size();
  return nbytes;
}

std::string ResponseHead(const Response& response, const Framing& framing) {
  std::string head;
  auto out = std::back_inserter(head);
  const auto reason = boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(response.status));
  fmt::format_to(out, "HTTP/1.{} {} {}\r\n", framing.version == kHttp11 ? 1 : 0, response.status,
                 std::string_view(reason.data(), reason.size()));
  if (!response.content_type.empty()) fmt::format_to(out, "Content-Type: {}\r\n", response.content_type);
  if (!HasField(response, "cache-control")) head += "Cache-Control: no-store\r\n";
  head += "X-Content-Type-Options: nosniff\r\n";
  for (const Field& field : response.fields) {
    if (EndsNoLine(field.name) && EndsNoLine(field.value)) fmt::format_to(out, "{}: {}\r\n", field.name, field.value);
  }
  if (framing.version == kHttp11 && !framing.keep_alive) head += "Connection: close\r\n";
  if (framing.version != kHttp11 && framing.keep_alive) head += "Connection: keep-alive\r\n";
  if (response.status == kNoContent) return head + "\r\n";
  if (response.stream == nullptr) {
    fmt::format_to(out, "Content-Length: {}\r\n", BodyBytes(response));
  } else if (framing.version == kHttp11) {
    head += "Transfer-Encoding: chunked\r\n";
  }
  return head + "\r\n";
}

}  // namespace tensorferry::http
