#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "http/connection.h"
#include "http/tls_context.h"

namespace tensorferry::http {

// Listener takes the connections of an address, on every address of its host's name. 0.0.0.0 and [::] are all addresses
// of this machine, of IPv4 and of IPv6.
class Listener {
 public:
  // Borrows its arguments.
  Listener(boost::asio::io_context& io, const ConnectionContext& context, TlsContexts* tls)
      : io_(io), context_(context), tls_(tls) {}

  // Returns the address with the real port. Connections are taken once `io` runs.
  // Errors: UNAVAILABLE, with the system's reason.
  absl::StatusOr<std::string> Listen(const std::string& address);

 private:
  // Gate is one socket that listens.
  struct Gate {
    explicit Gate(boost::asio::io_context& io) : acceptor(io), pause(io) {}
    boost::asio::ip::tcp::acceptor acceptor;
    boost::asio::steady_timer pause;
  };

  boost::system::error_code Open(const boost::asio::ip::tcp::endpoint& endpoint);
  void Accept(Gate& gate);
  void Take(boost::asio::ip::tcp::socket socket);

  boost::asio::io_context& io_;
  const ConnectionContext& context_;
  TlsContexts* const tls_;  // Null: connections are plain.
  std::deque<Gate> gates_;
};

}  // namespace tensorferry::http
