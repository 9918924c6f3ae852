#include "rpc/listen_error.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <string_view>
#include <system_error>

#include "base/text.h"

namespace tensorferry::rpc {
namespace {

std::string Lower(std::string text) {
  if (!text.empty()) text.front() = static_cast<char>(std::tolower(static_cast<unsigned char>(text.front())));
  return text;
}

// Returns 0, or the error number with which the system refuses a listener at this address.
int TryToListen(const sockaddr* address, socklen_t size) {
  const int listener = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) return errno;
  constexpr int kYes = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &kYes, sizeof(kYes));
  const bool listens = bind(listener, address, size) == 0 && listen(listener, 1) == 0;
  const int error = listens ? 0 : errno;
  close(listener);
  return error;
}

std::string TextOf(int error) {
  return error == 0 ? "it can be listened on now; start again" : Lower(std::generic_category().message(error));
}

sockaddr_un PathAddress(const std::string& path) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  path.copy(address.sun_path, kMaxUnixPathBytes);
  return address;
}

std::string ReasonOfPath(const std::string& path) {
  std::error_code ignored;
  const auto file = std::filesystem::symlink_status(path, ignored);
  if (std::filesystem::exists(file) && !std::filesystem::is_socket(file)) return "the path is there, and is no socket";
  const sockaddr_un address = PathAddress(path);
  const int error = TryToListen(reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  if (error == 0) unlink(path.c_str());
  return TextOf(error);
}

std::string ReasonOfHost(const std::string& host, int port) {
  const addrinfo hints{.ai_flags = AI_PASSIVE, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  addrinfo* found = nullptr;
  const int failed = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, freeaddrinfo);
  if (failed != 0) return failed == EAI_SYSTEM ? TextOf(errno) : Lower(gai_strerror(failed));
  int error = 0;
  for (const addrinfo* at = found; at != nullptr && error == 0; at = at->ai_next) {
    error = TryToListen(at->ai_addr, at->ai_addrlen);
  }
  return TextOf(error);
}

}  // namespace

bool IsTaken(const std::string& address) {
  const auto parsed = ParseAddress(address);
  if (!parsed || !parsed->is_unix) return false;
  const sockaddr_un path = PathAddress(std::string(parsed->host));
  const int caller = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (caller < 0) return false;
  // EAGAIN: there is one, and so many callers wait for it already.
  const bool taken = connect(caller, reinterpret_cast<const sockaddr*>(&path), sizeof(path)) == 0 || errno == EAGAIN;
  close(caller);
  return taken;
}

std::string ReasonNotToListen(const std::string& address) {
  const auto parsed = ParseAddress(address);
  if (!parsed) return "it is no address";
  if (parsed->is_unix) return ReasonOfPath(std::string(parsed->host));
  std::string_view host = parsed->host;
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  return ReasonOfHost(std::string(host), parsed->port);
}

}  // namespace tensorferry::rpc
