#include "sealed/side_socket.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <system_error>

#include "base/text.h"

namespace tensorferry::sealed {
namespace {

constexpr int kMostWaiting = 64;  // Connections that the system keeps until they are accepted.

absl::Status CannotListen(std::string_view path, std::string_view why) {
  return absl::UnavailableError(fmt::format("cannot listen on {}: {}", path, why));
}

absl::Status CannotListen(std::string_view path, int error) {
  return CannotListen(path, std::generic_category().message(error));
}

FileDescriptor MakeSocket() {
  return FileDescriptor(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// Returns whether a server has left the file behind: nobody listens there. Where the system says anything else, as it does
// of a socket of another kind, of one whose queue is full, or to a user who may not connect, somebody may.
bool IsLeftBehind(const sockaddr* address, socklen_t size) {
  const FileDescriptor caller = MakeSocket();
  return connect(caller.get(), address, size) != 0 && errno == ECONNREFUSED;
}

}  // namespace

absl::StatusOr<SideSocket> SideSocket::Listen(const std::string& path) {
  if (path.size() > kMaxUnixPathBytes) {
    return CannotListen(path, fmt::format("the path has {} bytes, at most {} can be", path.size(), kMaxUnixPathBytes));
  }
  sockaddr_un path_address{.sun_family = AF_UNIX, .sun_path = {}};
  path.copy(path_address.sun_path, kMaxUnixPathBytes);
  const auto* const address = reinterpret_cast<const sockaddr*>(&path_address);
  FileDescriptor listener = MakeSocket();
  if (!listener) return CannotListen(path, errno);
  struct stat file {};
  if (lstat(path.c_str(), &file) == 0) {
    if (!S_ISSOCK(file.st_mode)) return CannotListen(path, "the path is there, and is no socket");
    if (!IsLeftBehind(address, sizeof(path_address))) return CannotListen(path, EADDRINUSE);
    unlink(path.c_str());
  }
  if (bind(listener.get(), address, sizeof(path_address)) != 0) return CannotListen(path, errno);
  if (listen(listener.get(), kMostWaiting) != 0 || lstat(path.c_str(), &file) != 0) return CannotListen(path, errno);
  return SideSocket(path, std::move(listener), file.st_ino);
}

SideSocket::~SideSocket() {
  struct stat file {};
  if (socket_ && lstat(path_.c_str(), &file) == 0 && file.st_ino == inode_) unlink(path_.c_str());
}

}  // namespace tensorferry::sealed
