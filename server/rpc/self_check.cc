#include "rpc/self_check.h"

#include <netdb.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "base/text.h"

namespace tensorferry::rpc {
namespace {

using Clock = std::chrono::steady_clock;

// The preface of HTTP/2 and a frame of settings without any (RFC 9113, 3.4).
constexpr std::string_view kHello{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33};
constexpr std::size_t kFrameHead = 9;
constexpr std::size_t kTypeOfFrame = 3;  // The place of the type in the head.
constexpr char kTypeOfSettings = 4;

enum class Answer : std::uint8_t {
  kUnknown,  // This process has no descriptor left to ask with.
  kNone,
  kOther,  // Bytes that are no settings, or the end of the connection.
  kSettings,
};

class Socket {
 public:
  explicit Socket(int family) : descriptor_(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (descriptor_ >= 0) close(descriptor_);
  }

  int get() const { return descriptor_; }

  // Waits until the socket is ready for `events`, or has an error. Returns false at the deadline.
  bool Wait(short events, Clock::time_point deadline) const {
    pollfd ready{descriptor_, events, 0};
    int count = 0;
    do {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
      count = poll(&ready, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    } while (count < 0 && errno == EINTR);
    return count > 0;
  }

 private:
  const int descriptor_;
};

bool Connect(const Socket& caller, const sockaddr* address, socklen_t size, Clock::time_point deadline) {
  if (connect(caller.get(), address, size) == 0) return true;
  if (errno != EINPROGRESS || !caller.Wait(POLLOUT, deadline)) return false;
  int error = 0;
  socklen_t length = sizeof(error);
  return getsockopt(caller.get(), SOL_SOCKET, SO_ERROR, &error, &length) == 0 && error == 0;
}

Answer Ask(const std::string& socket_address, Clock::time_point deadline) {
  const auto* const address = reinterpret_cast<const sockaddr*>(socket_address.data());
  const Socket caller(address->sa_family);
  if (caller.get() < 0) return Answer::kUnknown;
  if (!Connect(caller, address, static_cast<socklen_t>(socket_address.size()), deadline)) return Answer::kNone;
  if (send(caller.get(), kHello.data(), kHello.size(), MSG_NOSIGNAL) < 0) return Answer::kOther;
  std::array<char, kFrameHead> head{};
  std::size_t received = 0;
  while (received < head.size()) {
    if (!caller.Wait(POLLIN, deadline)) return received > 0 ? Answer::kOther : Answer::kNone;
    const ssize_t got = recv(caller.get(), head.data() + received, head.size() - received, 0);
    if (got <= 0) return Answer::kOther;
    received += static_cast<std::size_t>(got);
  }
  return head[kTypeOfFrame] == kTypeOfSettings ? Answer::kSettings : Answer::kOther;
}

std::string BytesOf(const auto* address, std::size_t size) { return {reinterpret_cast<const char*>(address), size}; }

std::string BytesOfPath(std::string_view path) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  path.copy(address.sun_path, kMaxUnixPathBytes);
  return BytesOf(&address, sizeof(address));
}

using Found = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

Found Find(const std::string& host, int port, int flags) {
  const addrinfo hints{.ai_flags = flags, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  addrinfo* found = nullptr;
  const int failed = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  return {failed == 0 ? found : nullptr, freeaddrinfo};
}

// Returns whether it is 0.0.0.0 or [::], at either of which gRPC listens on all addresses of this machine, of both
// families.
bool IsWildcard(const sockaddr* address) {
  if (address->sa_family == AF_INET)
    return reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr == INADDR_ANY;
  return IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr);
}

}  // namespace

SelfCheck::SelfCheck(const std::vector<std::string>& addresses, std::chrono::milliseconds interval,
                     std::function<void()> on_deaf, std::chrono::milliseconds most_to_wait)
    : most_to_wait_(most_to_wait), on_deaf_(std::move(on_deaf)) {
  if (interval.count() == 0) return;
  for (const std::string& address : addresses) AddTargets(address);
  thread_.emplace(
      interval, [this] { CheckAll(); }, "the self-check");
}

void SelfCheck::AddTargets(const std::string& address) {
  const auto parsed = ParseAddress(address);
  if (!parsed) return;
  if (parsed->is_unix) {
    targets_.push_back({.name = address, .socket_address = BytesOfPath(parsed->host), .is_judged = true});
    return;
  }
  std::string_view host = parsed->host;
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  const auto add = [&](const std::string& each, int flags, bool is_judged) {
    const Found found = Find(each, parsed->port, flags);
    for (const addrinfo* at = found.get(); at != nullptr; at = at->ai_next) {
      targets_.push_back(
          {.name = address, .socket_address = BytesOf(at->ai_addr, at->ai_addrlen), .is_judged = is_judged});
    }
  };
  const Found literal = Find(std::string(host), parsed->port, AI_NUMERICHOST);
  if (literal == nullptr) return add(std::string(host), 0, false);
  if (!IsWildcard(literal->ai_addr)) return add(std::string(host), AI_NUMERICHOST, true);
  for (const char* const each : {"127.0.0.1", "::1"}) add(each, AI_NUMERICHOST, false);
}

void SelfCheck::CheckAll() {
  for (Target& target : targets_) {
    if (!stopped_) Check(target);
  }
}

void SelfCheck::Check(Target& target) {
  const Answer answer = Ask(target.socket_address, Clock::now() + most_to_wait_);
  if (answer == Answer::kUnknown) return;
  if (answer == Answer::kSettings) target.speaks_http2 = true;
  if (answer == Answer::kSettings || (answer == Answer::kOther && !target.speaks_http2)) {
    target.failures = 0;
    target.is_judged = true;
    return;
  }
  if (!target.is_judged || stopped_) return;
  ++target.failures;
  ++failed_;
  spdlog::debug("self-check: no answer at {}, {} times in a row", target.name, target.failures);
  if (target.failures < kMostFailures) return;
  spdlog::error("the server takes no connections at {} any more: no answer to itself, {} times in a row", target.name,
                target.failures);
  stopped_ = true;
  found_deaf_ = true;
  on_deaf_();
}

}  // namespace tensorferry::rpc
