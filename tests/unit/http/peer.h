#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/server.h"

namespace tensorferry::http {

// Peer is a client that takes no part in HTTP.
class Peer {
 public:
  explicit Peer(const Server& server) {
    const std::string& address = server.address();
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::uint16_t port = 0;
    std::from_chars(address.data() + address.rfind(':') + 1, address.data() + address.size(), port);
    to.sin_port = htons(port);
    const timeval most{.tv_sec = 60, .tv_usec = 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
    EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() { close(socket_); }

  int socket() const { return socket_; }

  void Send(std::string_view bytes) const { send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }

  // Returns what comes until `end` has come, or, without an end, until the server closes the connection.
  std::string Receive(std::string_view end = "") const {
    std::string all;
    std::array<char, 4096> piece{};
    while (end.empty() || !all.ends_with(end)) {
      const ssize_t got = recv(socket_, piece.data(), piece.size(), 0);
      EXPECT_GE(got, 0) << "nothing came for a minute, or the connection was reset";
      if (got <= 0) break;
      all.append(piece.data(), static_cast<std::size_t>(got));
    }
    return all;
  }

 private:
  const int socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
};

}  // namespace tensorferry::http
