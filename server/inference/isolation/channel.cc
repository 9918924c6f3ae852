#include "inference/isolation/channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

namespace tensorferry::inference {
namespace {

using Head = std::uint64_t;  // Stands before each message: its bytes.

constexpr std::size_t kAtOnce = 4096;  // Nearly every message comes with one call of the system.

ssize_t ReceiveSome(int socket, char* data, std::size_t nbytes) {
  ssize_t count = 0;
  do {
    count = recv(socket, data, nbytes, 0);
  } while (count < 0 && errno == EINTR);
  return count;
}

// Says what it means that ReceiveSome has returned `count`, which is no number of bytes. The system resets a Unix
// socket whose other end was closed before everything was read from it.
Channel::Received WhyNothing(ssize_t count) {
  return count < 0 && errno == ECONNRESET ? Channel::Received::kUnread : Channel::Received::kNothing;
}

}  // namespace

Channel::~Channel() { close(socket_); }

bool Channel::Send(std::string_view message) {
  if (message.size() > kMaxMessageBytes) return false;
  Head head = message.size();
  std::array<iovec, 2> parts{iovec{&head, sizeof(head)}, iovec{const_cast<char*>(message.data()), message.size()}};
  msghdr out{};
  out.msg_iov = parts.data();
  out.msg_iovlen = parts.size();
  while (out.msg_iovlen > 0) {
    const ssize_t sent = sendmsg(socket_, &out, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    auto left = static_cast<std::size_t>(sent);
    while (out.msg_iovlen > 0 && left >= out.msg_iov->iov_len) {
      left -= out.msg_iov->iov_len;
      ++out.msg_iov;
      --out.msg_iovlen;
    }
    if (out.msg_iovlen == 0) break;
    out.msg_iov->iov_base = static_cast<char*>(out.msg_iov->iov_base) + left;
    out.msg_iov->iov_len -= left;
  }
  return true;
}

Channel::Received Channel::ReceiveExactly(char* data, std::size_t nbytes) {
  while (nbytes > 0) {
    const ssize_t count = ReceiveSome(socket_, data, nbytes);
    if (count <= 0) return WhyNothing(count);
    data += count;
    nbytes -= static_cast<std::size_t>(count);
  }
  return Received::kMessage;
}

// Requests and replies take turns, so what comes in the first call belongs to one message.
Channel::Received Channel::Receive(std::string& message) {
  std::array<char, kAtOnce> first;
  const ssize_t count = ReceiveSome(socket_, first.data(), first.size());
  if (count <= 0) return WhyNothing(count);
  auto have = static_cast<std::size_t>(count);
  if (have < sizeof(Head)) {
    const Received rest = ReceiveExactly(first.data() + have, sizeof(Head) - have);
    if (rest != Received::kMessage) return rest;
    have = sizeof(Head);
  }
  Head nbytes = 0;
  std::memcpy(&nbytes, first.data(), sizeof(nbytes));
  have -= sizeof(Head);
  if (nbytes > kMaxMessageBytes || have > nbytes) return Received::kNothing;
  message.resize(nbytes);
  std::copy_n(first.data() + sizeof(Head), have, message.data());
  return ReceiveExactly(message.data() + have, message.size() - have);
}

bool Channel::Await(int milliseconds) const {
  pollfd waiting{.fd = socket_, .events = POLLIN, .revents = 0};
  return poll(&waiting, 1, milliseconds) != 0;
}

void Channel::Shutdown() { shutdown(socket_, SHUT_RDWR); }

}  // namespace tensorferry::inference
