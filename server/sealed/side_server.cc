#include "sealed/side_server.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <new>
#include <thread>
#include <utility>

#include "base/start_thread.h"
#include "base/status.h"

namespace tensorferry::sealed {
namespace {

constexpr int kForEver = -1;
// Where the process may open no more files, connections wait for this time.
constexpr std::chrono::milliseconds kPause(100);

// Serves a message. Where there is no memory even for that, the peer loses its connection, and nobody else notices.
bool ServeGuarded(Peer& peer) {
  try {
    return peer.Serve();
  } catch (const std::bad_alloc&) {
    return false;
  }
}

// Returns after a pause whether `end` can be read. Unlike poll it takes nothing of the system that could be missing.
bool EndsAfterPause(const FileDescriptor& end) {
  std::this_thread::sleep_for(kPause);
  eventfd_t times = 0;
  return eventfd_read(end.get(), &times) == 0;
}

}  // namespace

SideServer::~SideServer() {
  if (!thread_.joinable()) return;
  eventfd_write(end_.get(), 1);
  thread_.join();
}

absl::Status SideServer::Listen(const std::string& path) {
  TENSORFERRY_ASSIGN_OR_RETURN(SideSocket listener, SideSocket::Listen(path));
  listeners_.push_back(std::move(listener));
  return absl::OkStatus();
}

std::vector<std::string> SideServer::paths() const {
  std::vector<std::string> paths;
  for (const SideSocket& listener : listeners_) paths.push_back(listener.path());
  return paths;
}

absl::Status SideServer::Start() {
  end_ = FileDescriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!end_) return absl::UnavailableError("cannot make an eventfd");
  thread_ = StartThread("taking sealed memory", [this] { Run(); });
  return absl::OkStatus();
}

void SideServer::Run() {
  bool paused = false;
  while (true) {
    try {
      if (!ServeOnce(paused)) return;
    } catch (const std::bad_alloc&) {
      if (EndsAfterPause(end_)) return;
    }
  }
}

// Serves what has come. `paused` says whether listeners are left alone for kPause. Returns false if the thread shall end.
bool SideServer::ServeOnce(bool& paused) {
  std::vector<pollfd> polled{{end_.get(), POLLIN, 0}};
  for (const auto& peer : peers_) polled.push_back({peer->socket(), POLLIN, 0});
  const std::size_t first_listener = polled.size();
  if (!paused) {
    for (const SideSocket& listener : listeners_) polled.push_back({listener.get(), POLLIN, 0});
  }
  if (poll(polled.data(), polled.size(), paused ? static_cast<int>(kPause.count()) : kForEver) < 0 && errno != EINTR) {
    return !EndsAfterPause(end_);  // The system has no memory for it, or the process may open fewer files now.
  }
  if (polled.front().revents != 0) return false;
  std::vector<short> events;
  for (std::size_t i = 1; i < first_listener; ++i) events.push_back(polled[i].revents);
  ServePeers(events);
  paused = false;
  for (std::size_t i = first_listener; i < polled.size(); ++i) {
    if (polled[i].revents != 0 && !Accept(listeners_[i - first_listener])) paused = true;
  }
  return true;
}

// `events` are those of the peers, in their order.
void SideServer::ServePeers(const std::vector<short>& events) {
  std::vector<std::unique_ptr<Peer>> kept;
  kept.reserve(events.size());  // From here on nothing throws: a peer is in one of the two lists.
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
