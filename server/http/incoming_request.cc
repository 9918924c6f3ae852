#include "http/incoming_request.h"

#include <fmt/format.h>

namespace tensorferry::http {

Request RequestOf(const IncomingMessage& message) {
  Request request{.method = std::string(message.method_string()), .path = PathOf(std::string(message.target()))};
  for (const auto& field : message) {
    request.fields.push_back({std::string(field.name_string()), std::string(field.value())});
  }
  return request;
}

std::string PeerOf(const boost::asio::ip::tcp::socket& socket) {
  boost::system::error_code error;
  const auto peer = socket.remote_endpoint(error);
  if (error) return "";
  const std::string address = peer.address().to_string();
  return fmt::format("{}:{}", peer.address().is_v6() ? "[" + address + "]" : address, peer.port());
}

}  // namespace tensorferry::http
