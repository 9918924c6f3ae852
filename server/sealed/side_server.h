#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "base/file_descriptor.h"
#include "base/sealed_regions.h"
#include "sealed/peer.h"
#include "sealed/side_socket.h"

namespace tensorferry::sealed {

// SideServer serves side sockets on one thread: it takes the sealed memory that peers hand over.
class SideServer {
 public:
  // Serves at most `max_connections` at once, and half as many of one user; others are closed at once. Borrows
  // `regions`.
  SideServer(SealedRegions& regions, std::size_t max_connections)
      : regions_(regions), max_connections_(max_connections) {}
  SideServer(const SideServer&) = delete;
  SideServer& operator=(const SideServer&) = delete;
  ~SideServer();  // Closes all connections, and removes the files.

  // Listens at `path`, from Start on. Call it before Start.
  // Errors: those of SideSocket::Listen.
  absl::Status Listen(const std::string& path);

  // Starts the thread.
  // Errors: UNAVAILABLE if the process may open no more files. Throws NoThread.
  absl::Status Start();

  std::vector<std::string> paths() const;  // Of the files that it listens at.

 private:
  void Run();
  bool ServeOnce(bool& paused);
  void ServePeers(const std::vector<short>& events);
  bool Accept(const SideSocket& listener);
  bool HasRoomFor(uid_t user) const;

  SealedRegions& regions_;
  const std::size_t max_connections_;
  std::vector<SideSocket> listeners_;
  FileDescriptor end_;                        // An eventfd: something can be read once the thread shall end.
  std::vector<std::unique_ptr<Peer>> peers_;  // Of the thread alone.
  std::thread thread_;
};

}  // namespace tensorferry::sealed
