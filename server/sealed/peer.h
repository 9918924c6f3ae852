#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/file_descriptor.h"
#include "base/sealed_quota.h"
#include "base/sealed_regions.h"
#include "sealed/side_message.h"

namespace tensorferry::sealed {

// UserOf returns the user who connected the socket.
uid_t UserOf(const FileDescriptor& socket);

// Peer is a connection of a side socket. The regions that it has handed over are removed when it is destroyed.
// Threads: one.
class Peer {
 public:
  // `socket` is connected, and does not block. Borrows `regions`.
  Peer(FileDescriptor socket, SealedRegions& regions);
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer();

  int socket() const { return socket_.get(); }
  uid_t user() const { return user_; }

  // Serves one message, if one has come. Returns false if the connection is of no more use: the peer has closed it,
  // sends what is no message, or does not read its answers.
  bool Serve();

 private:
  using Descriptors = std::vector<FileDescriptor>;

  absl::StatusOr<std::string> HandOver(Descriptors descriptors, const Ask& ask);
  bool Answer(std::span<const std::byte> message, Descriptors descriptors, bool cut);
  bool Send(std::string_view answer) const;

  const FileDescriptor socket_;
  const uid_t user_;
  SealedRegions& regions_;
  const std::shared_ptr<SealedQuota> quota_;
  std::set<std::string, std::less<>> names_;  // Of this connection's regions.
};

}  // namespace tensorferry::sealed
