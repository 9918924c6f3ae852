#include "sealed/side_server.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <new>
#include <utility>

#include "base/start_thread.h"

namespace tensorferry::sealed {
namespace {

constexpr int kForEver = -1;
constexpr int kPauseMs = 100;  // Where the process may open no more files, connections wait for this time.

// Serves a message. Where there is no memory even for that, the peer loses its connection, and nobody else notices.
bool ServeGuarded(Peer& peer) {
  try {
    return peer.Serve();
  } catch (const std::bad_alloc&) {
    return false;
  }
}

}  // namespace

SideServer::~SideServer() {
  if (!thread_.joinable()) return;
  eventfd_write(end_.get(), 1);
  thread_.join();
}

absl::Status SideServer::Listen(const std::string& path) {
  auto listener = SideSocket::Listen(path);
  if (listener.ok()) listeners_.push_back(*std::move(listener));
  return listener.status();
}

std::vector<std::string> SideServer::paths() const {
  std::vector<std::string> paths;
  for (const SideSocket& listener : listeners_) paths.push_back(listener.path());
  return paths;
}

absl::Status SideServer::Start() {
  end_ = FileDescriptor(eventfd(0, EFD_CLOEXEC));
  if (!end_) return absl::UnavailableError("cannot make an eventfd");
  thread_ = StartThread("taking sealed memory", [this] { Run(); });
  return absl::OkStatus();
}

void SideServer::Run() {
  bool paused = false;
  while (true) {
    std::vector<pollfd> polled{{end_.get(), POLLIN, 0}};
    for (const auto& peer : peers_) polled.push_back({peer->socket(), POLLIN, 0});
    const std::size_t first_listener = polled.size();
    if (!paused) {
      for (const SideSocket& listener : listeners_) polled.push_back({listener.get(), POLLIN, 0});
    }
    if (poll(polled.data(), polled.size(), paused ? kPauseMs : kForEver) < 0 && errno != EINTR) return;
    if (polled.front().revents != 0) return;
    std::vector<short> events;
    for (std::size_t i = 1; i < first_listener; ++i) events.push_back(polled[i].revents);
    ServePeers(events);
    paused = false;
    for (std::size_t i = first_listener; i < polled.size(); ++i) {
      if (polled[i].revents != 0 && !Accept(listeners_[i - first_listener])) paused = true;
    }
  }
}

// `events` are those of the peers, in their order.
void SideServer::ServePeers(const std::vector<short>& events) {
  std::vector<std::unique_ptr<Peer>> kept;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events[i] == 0 || ServeGuarded(*peers_[i])) kept.push_back(std::move(peers_[i]));
  }
  peers_ = std::move(kept);
}

// Returns false if the process may open no more files: the connection waits, and would be reported again at once.
bool SideServer::Accept(const SideSocket& listener) {
  FileDescriptor socket(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket) return errno == EAGAIN || errno == EINTR || errno == ECONNABORTED;
  if (HasRoomFor(UserOf(socket))) {
    peers_.push_back(std::make_unique<Peer>(std::move(socket), regions_));
  } else {
    spdlog::debug("sealed memory: a connection was closed, as there are {}", peers_.size());
  }
  return true;
}

bool SideServer::HasRoomFor(uid_t user) const {
  const auto of_user = std::ranges::count_if(peers_, [&](const auto& peer) { return peer->user() == user; });
  return peers_.size() < max_connections_ && static_cast<std::size_t>(of_user) < max_connections_ / 2;
}

}  // namespace tensorferry::sealed
