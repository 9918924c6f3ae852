#include "http/incoming_request.h"

#include <fmt/format.h>

#include <vector>

#include "http/error_response.h"

namespace tensorferry::http {

Request RequestOf(const IncomingMessage& message) {
  Request request{.method = std::string(message.method_string()), .path = PathOf(std::string(message.target()))};
  for (const auto& field : message) {
    request.fields.push_back({std::string(field.name_string()), std::string(field.value())});
  }
  return request;
}

std::optional<std::string_view> ExpectationOf(const Request& request, unsigned version) {
  const std::vector<std::string_view> wishes = request.Values("expect");
  return wishes.empty() || version < kHttp11 ? std::nullopt : std::optional(wishes.front());
}

std::optional<Response> RefuseExpectation(std::string_view expectation) {
  if (EqualInAnyCase(expectation, "100-continue")) return std::nullopt;
  return ErrorResponse({.status = 417,
                        .message = "the only expectation that is known is 100-continue",
                        .expected = "expect: 100-continue",
                        .actual = std::string(expectation)});
}

std::string PeerOf(const boost::asio::ip::tcp::socket& socket) {
  boost::system::error_code error;
  const auto peer = socket.remote_endpoint(error);
  if (error) return "";
  const std::string address = peer.address().to_string();
  return fmt::format("{}:{}", peer.address().is_v6() ? "[" + address + "]" : address, peer.port());
}

}  // namespace tensorferry::http
