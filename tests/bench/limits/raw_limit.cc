// raw_limit measures what sockets and memory allow without gRPC:
//
//   raw_limit serve ADDRESS
//     reads [8-byte length][payload] into one warm buffer, and answers 32 bytes
//   raw_limit load ADDRESS SIZE DURATION_MS WARMUP_MS
//     sends to it, one payload at a time, and prints as `tensorferry bench --json`
//   raw_limit memcpy SIZE DURATION_MS WARMUP_MS
//     copies from one warm buffer to another
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <thread>
#include <vector>

#include "closed_loop.h"

namespace tensorferry::bench {
namespace {

using Ack = std::array<char, 32>;

[[noreturn]] void Die(const char* what) {
  fmt::print(stderr, "raw_limit: {}: {}\n", what, std::strerror(errno));
  std::exit(1);
}

// SocketAddress is an IPv4 port of this machine, `127.0.0.1:PORT`, or a Unix socket, `unix:PATH`.
struct SocketAddress {
  explicit SocketAddress(std::string_view text) : is_unix(text.starts_with("unix:")) {
    if (is_unix) {
      path.sun_family = AF_UNIX;
      text.substr(5).copy(path.sun_path, sizeof(path.sun_path) - 1);
    } else {
      port.sin_family = AF_INET;
      port.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      port.sin_port = htons(static_cast<std::uint16_t>(std::stoi(std::string(text.substr(text.rfind(':') + 1)))));
    }
  }
  const sockaddr* get() const {
    return is_unix ? reinterpret_cast<const sockaddr*>(&path) : reinterpret_cast<const sockaddr*>(&port);
  }
  socklen_t size() const { return is_unix ? sizeof(path) : sizeof(port); }

  bool is_unix;
  sockaddr_un path{};
  sockaddr_in port{};
};

int OpenSocket(const SocketAddress& address) {
  const int fd = socket(address.get()->sa_family, SOCK_STREAM, 0);
  if (fd < 0) Die("socket");
  return fd;
}

void SendAtOnce(const SocketAddress& address, int fd) {
  const int one = 1;
  if (!address.is_unix) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

// Receive returns false at the end of the connection.
bool Receive(int fd, char* data, std::size_t nbytes) {
  while (nbytes > 0) {
    const ssize_t count = recv(fd, data, nbytes, 0);
    if (count <= 0) return false;
    data += count;
    nbytes -= static_cast<std::size_t>(count);
  }
  return true;
}

void Answer(int fd) {
  std::vector<char> buffer;
  const Ack ack{};
  for (std::uint64_t nbytes = 0; Receive(fd, reinterpret_cast<char*>(&nbytes), sizeof(nbytes));) {
    if (buffer.size() < nbytes) buffer.resize(nbytes);
    if (!Receive(fd, buffer.data(), nbytes) || send(fd, ack.data(), ack.size(), MSG_NOSIGNAL) < 0) break;
  }
  close(fd);
}

[[noreturn]] void Serve(std::string_view text) {
  SocketAddress address(text);
  const int listener = OpenSocket(address);
  if (bind(listener, address.get(), address.size()) != 0) Die("bind");
  if (listen(listener, 16) != 0) Die("listen");
  socklen_t size = sizeof(address.port);
  if (!address.is_unix) getsockname(listener, reinterpret_cast<sockaddr*>(&address.port), &size);
  fmt::print("ready grpc={}\n",
             address.is_unix ? std::string(text) : fmt::format("127.0.0.1:{}", ntohs(address.port.sin_port)));
  std::fflush(stdout);
  for (;;) {
    const int fd = accept(listener, nullptr, nullptr);
    if (fd < 0) Die("accept");
    SendAtOnce(address, fd);
    std::thread(Answer, fd).detach();
  }
}

void Send(int fd, std::uint64_t nbytes, std::vector<char>& payload) {
  std::array<iovec, 2> parts{{{&nbytes, sizeof(nbytes)}, {payload.data(), payload.size()}}};
  while (parts[1].iov_len > 0) {
    auto sent = writev(fd, parts.data(), parts.size());
    if (sent < 0) Die("send");
    for (iovec& part : parts) {
      const std::size_t count = std::min(static_cast<std::size_t>(sent), part.iov_len);
      part.iov_base = static_cast<char*>(part.iov_base) + count;
      part.iov_len -= count;
      sent -= static_cast<ssize_t>(count);
    }
  }
}

void MeasureSocket(const std::string& text, const Load& load) {
  const SocketAddress address(text);
  const int fd = OpenSocket(address);
  if (connect(fd, address.get(), address.size()) != 0) Die("connect");
  SendAtOnce(address, fd);
  std::vector<char> payload(load.nbytes, 1);
  Ack ack{};
  MeasureAndPrint(text, load, [&] {
    Send(fd, load.nbytes, payload);
    if (!Receive(fd, ack.data(), ack.size())) Die("receive");
  });
  close(fd);
}

void MeasureMemcpy(const Load& load) {
  const std::vector<char> source(load.nbytes, 1);
  std::vector<char> destination(load.nbytes, 2);
  MeasureAndPrint("memcpy", load, [&] {
    std::memcpy(destination.data(), source.data(), load.nbytes);
    asm volatile("" : : "r"(destination.data()) : "memory");
  });
}

}  // namespace
}  // namespace tensorferry::bench

int main(int argc, char** argv) {
  using namespace tensorferry::bench;
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "serve" && argc == 3) Serve(argv[2]);
  if (mode == "load" && argc == 6) {
    MeasureSocket(argv[2], Load::Read(argv + 3));
  } else if (mode == "memcpy" && argc == 5) {
    MeasureMemcpy(Load::Read(argv + 2));
  } else {
    fmt::print(stderr, "usage: raw_limit serve ADDRESS | load ADDRESS SIZE MS MS | memcpy SIZE MS MS\n");
    return 2;
  }
  return 0;
}
