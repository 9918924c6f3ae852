#include "service_manager.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <ctime>

#include "base/text.h"

namespace tensorferry {
namespace {

std::string_view Variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

// Returns the sockaddr_un of NOTIFY_SOCKET: an absolute path, or a name in the abstract namespace that begins with '@'.
// Empty: it is unset, or of another kind.
std::string SocketAddress(std::string_view name) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (name.size() < 2 || name.size() >= sizeof(address.sun_path)) return "";
  if (name.front() != '/' && name.front() != '@') return "";
  name.copy(address.sun_path, name.size());
  if (name.front() == '@') address.sun_path[0] = '\0';
  // The terminating zero belongs to a path, but not to an abstract name.
  const std::size_t size = offsetof(sockaddr_un, sun_path) + name.size() + (name.front() == '/' ? 1 : 0);
  return {reinterpret_cast<const char*>(&address), size};
}

// Returns how often to show a sign of life; 0: nobody waits for one of this process.
std::chrono::milliseconds WatchdogInterval() {
  const auto limit = ParseNumber(Variable("WATCHDOG_USEC"));
  const auto pid = ParseNumber(Variable("WATCHDOG_PID"));
  const bool is_ours = !pid || *pid == static_cast<std::uint64_t>(getpid());
  constexpr std::uint64_t kMicrosecondsInHalves = 2000;
  return std::chrono::milliseconds(limit && is_ours ? *limit / kMicrosecondsInHalves : 0);
}

std::uint64_t MonotonicMicroseconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

}  // namespace

ServiceManager::ServiceManager() : address_(SocketAddress(Variable("NOTIFY_SOCKET"))) {
  if (Variable("NOTIFY_SOCKET").empty()) return;
  if (address_.empty()) {
    spdlog::warn(
        "NOTIFY_SOCKET is neither an absolute path nor a name that begins with @; the service manager is told nothing");
    return;
  }
  socket_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const auto interval = WatchdogInterval();
  if (interval.count() > 0)
    watchdog_.emplace(
        interval, [this] { Send("WATCHDOG=1"); }, "the watchdog");
}

ServiceManager::~ServiceManager() {
  watchdog_.reset();
  if (socket_ >= 0) close(socket_);
}

void ServiceManager::Send(std::string_view lines) const {
  if (socket_ < 0) return;
  sendto(socket_, lines.data(), lines.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(address_.data()),
         static_cast<socklen_t>(address_.size()));
}

void ServiceManager::TellReady(std::string_view status) {
  ready_ = true;
  Send(fmt::format("READY=1\nSTATUS={}", status));
}

void ServiceManager::TellStopping(std::string_view status) const { Send(fmt::format("STOPPING=1\nSTATUS={}", status)); }
void ServiceManager::TellStatus(std::string_view status) const { Send(fmt::format("STATUS={}", status)); }
void ServiceManager::TellReloading() const {
  if (ready_) Send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", MonotonicMicroseconds()));
}

void ServiceManager::TellReloaded() const {
  if (ready_) Send("READY=1");
}

}  // namespace tensorferry
