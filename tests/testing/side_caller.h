#pragma once

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_descriptor.h"

namespace tensorferry {

// SideMessage returns a message as docs/shared-memory.md lays it out.
inline std::string SideMessage(std::uint16_t version, std::uint16_t kind, std::uint32_t tag, std::uint64_t nbytes) {
  std::string message(16, '\0');
  std::memcpy(message.data(), &version, 2);
  std::memcpy(message.data() + 2, &kind, 2);
  std::memcpy(message.data() + 4, &tag, 4);
  std::memcpy(message.data() + 8, &nbytes, 8);
  return message;
}

// SideCaller is a connection to a side socket, as a client makes one. It may send anything.
class SideCaller {
 public:
  explicit SideCaller(const std::string& path) : socket_(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    connected_ = connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    const timeval longest{.tv_sec = 60, .tv_usec = 0};
    setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof(longest));
  }

  bool connected() const { return connected_; }
  int socket_number() const { return socket_.get(); }

  void Send(std::string message, const std::vector<int>& descriptors = {}) const {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(253 * sizeof(int))> control{};
    iovec place{message.data(), message.size()};
    msghdr header{};
    header.msg_iov = &place;
    header.msg_iovlen = 1;
    if (!descriptors.empty()) {
      const std::size_t nbytes = descriptors.size() * sizeof(int);
      header.msg_control = control.data();
      header.msg_controllen = CMSG_SPACE(nbytes);
      cmsghdr* const part = CMSG_FIRSTHDR(&header);
      part->cmsg_level = SOL_SOCKET;
      part->cmsg_type = SCM_RIGHTS;
      part->cmsg_len = CMSG_LEN(nbytes);
      std::memcpy(CMSG_DATA(part), descriptors.data(), nbytes);
    }
    if (sendmsg(socket_.get(), &header, MSG_NOSIGNAL) != std::ssize(message)) std::abort();
  }

  // Receive waits for the next answer. Nothing: the server has closed the connection.
  std::optional<std::string> Receive() const {
    std::array<char, 4096> bytes{};
    const ssize_t received = recv(socket_.get(), bytes.data(), bytes.size(), 0);
    if (received <= 0) return std::nullopt;
    return std::string(bytes.data(), static_cast<std::size_t>(received));
  }

 private:
  const FileDescriptor socket_;
  bool connected_ = false;
};

}  // namespace tensorferry
